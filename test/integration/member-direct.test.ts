import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DirectPath } from '../../src/api/direct-messages.ts';
import type { AdmittedMessage } from '../../src/api/messages.ts';
import { parseAddress } from '../../src/model/prefix.ts';
import { CertificateBed } from '../support/certificate-bed.ts';
import { NamespaceMember } from '../support/namespace-member.ts';
import { connectNamespaces, createNamespace } from '../support/network-namespace.ts';
import { ScriptedMaster, type ScriptedSession } from '../support/scripted-master.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const underlay = 'under0';
const limitMs = 30_000;

/** A member's end of the test: its daemon, its session, and what it was admitted as. */
interface Joined {
  readonly member: NamespaceMember;
  readonly session: ScriptedSession;
  readonly admitted: AdmittedMessage;
  readonly candidate: string;
}

async function admit(
  master: ScriptedMaster,
  session: ScriptedSession,
  number: number,
): Promise<AdmittedMessage> {
  const ipv4 = parseAddress(`100.64.0.${number}`);
  const ipv6 = parseAddress(`fd12:3456:789a:1::${number}`);
  return master.admission(session, await session.receive('join'), { addresses: { ipv4, ipv6 } });
}

function introduce(to: Joined, other: Joined, isFirst: boolean): void {
  const { place, chain } = other.admitted;
  const { name, ipv4, ipv6 } = place;
  const candidates = ['192.0.2.77:9', other.candidate];
  to.session.send({ type: 'introduce', name, chain, ipv4, ipv6, candidates, isFirst });
}

/** The first report in which the path is in the state. */
async function reported(session: ScriptedSession, state: DirectPath['state']): Promise<DirectPath> {
  for (;;) {
    const { paths } = await session.receive('paths');
    const path = paths.find((one) => one.state === state);
    if (path) return path;
  }
}

const deviceTo = async ({ member }: Joined, other: Joined): Promise<string | undefined> => {
  const line = await member.namespace.sh(`ip route get ${other.admitted.place.ipv4}`);
  return / dev (\S+)/.exec(line)?.[1];
};

/** Two members that have joined and know nothing of each other. */
async function joinedPair(stack: AsyncDisposableStack) {
  const { path: folder } = stack.use(await temporaryDirectory());
  const namespaces = [
    stack.use(await createNamespace('anna')),
    stack.use(await createNamespace('bela')),
  ] as const;
  const [one, other] = namespaces.map((namespace, at) => ({
    ...{ namespace, device: underlay, address: `192.0.2.${at + 1}/24` },
  })) as [never, never];
  await connectNamespaces(one, other);
  const certificates = await CertificateBed.create();
  const master = stack.use(await ScriptedMaster.start(certificates, { rendezvousPort: 51_999 }));
  // One for both: members of a subset have one key.
  const view = master.view(5);
  const join = async (at: 0 | 1, name: string): Promise<Joined> => {
    const member = stack.use(await NamespaceMember.join(namespaces[at], { name, master, folder }));
    const session = await master.session();
    const admitted = { ...(await admit(master, session, at + 2)), view };
    session.send(admitted);
    await session.receive('acknowledge');
    const { direct } = await session.receive('hello');
    assert.deepEqual(direct?.addresses, [`192.0.2.${at + 1}`]);
    return { member, session, admitted, candidate: `192.0.2.${at + 1}:${direct?.port}` };
  };
  const anna = await join(0, 'anna');
  const bela = await join(1, 'bela');
  const byMaster = await deviceTo(anna, bela);
  return { anna, bela, master, isByMaster: async () => (await deviceTo(anna, bela)) === byMaster };
}

async function becomeDirect(first: Joined, second: Joined): Promise<DirectPath> {
  introduce(first, second, true);
  introduce(second, first, false);
  const [path] = await Promise.all([
    reported(first.session, 'direct'),
    reported(second.session, 'direct'),
  ]);
  return path;
}

async function ping({ member }: Joined, { admitted }: Joined): Promise<void> {
  await member.namespace.sh(`ping -c 3 -i 0.2 -W 1 ${admitted.place.ipv4}`);
  await member.namespace.sh(`ping -c 1 -W 1 ${admitted.place.ipv6}`);
}

test('members that are introduced talk without their master, and go back to it within a second', async () => {
  await using stack = new AsyncDisposableStack();
  const { anna, bela, isByMaster } = await joinedPair(stack);
  const path = await becomeDirect(anna, bela);
  assert.equal(path.endpoint, bela.candidate);
  assert.equal(await isByMaster(), false);
  await ping(anna, bela);
  const status = await anna.member.status();
  assert.deepEqual(
    status?.direct.map(({ name, state }) => [name, state]),
    [['bela', 'direct']],
  );

  const { sh } = bela.member.namespace;
  const drop = `{ type filter hook ingress device ${underlay} priority -500 ; policy drop ; }`;
  await sh('nft add table netdev cut');
  await sh(`nft add chain netdev cut everything ${drop}`);
  const cutMs = performance.now();
  await until('a way by the master', isByMaster, limitMs);
  const movedMs = performance.now() - cutMs;
  assert.ok(movedMs < 1_500, `traffic was back after ${Math.round(movedMs)} ms`);
  await reported(anna.session, 'failed');

  await sh('nft delete table netdev cut');
  await becomeDirect(bela, anna);
  await ping(anna, bela);
  for (const { session } of [anna, bela]) session.send({ type: 'ended', reason: 'left' });
  for (const { member } of [anna, bela]) {
    const hasNone = async () => !(await member.namespace.sh('ip -brief link')).includes('hns');
    await until('nothing of it', hasNone, limitMs);
  }
});

test('a daemon that was killed takes its direct path up again, with no master to help', async () => {
  await using stack = new AsyncDisposableStack();
  const { anna, bela, master, isByMaster } = await joinedPair(stack);
  await becomeDirect(anna, bela);
  await ping(anna, bela);
  await bela.member.kill();
  await until('a way by the master', isByMaster, limitMs);
  await master[Symbol.asyncDispose]();
  bela.member.restart();
  await until('a direct path', async () => !(await isByMaster()), limitMs);
  await ping(anna, bela);
});
