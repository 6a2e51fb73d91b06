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
  const admission = await master.admission(session, await session.receive('join'));
  const ipv4 = parseAddress(`100.64.0.${number}`);
  const ipv6 = parseAddress(`fd12:3456:789a:1::${number}`);
  return { ...admission, place: { ...admission.place, ipv4, ipv6 } };
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

test('two members that are introduced talk without their master, and go back to it within a second', async () => {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryDirectory());
  const namespaces = [
    stack.use(await createNamespace('anna')),
    stack.use(await createNamespace('bela')),
  ] as const;
  const ends = namespaces.map((namespace, at) => ({
    ...{ namespace, device: underlay, address: `192.0.2.${at + 1}/24` },
  })) as [never, never];
  await connectNamespaces(...ends);
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
  const [towardsMaster] = [await deviceTo(anna, bela)];

  introduce(anna, bela, true);
  introduce(bela, anna, false);
  const [there] = await Promise.all([
    reported(anna.session, 'direct'),
    reported(bela.session, 'direct'),
  ]);
  assert.equal(there.endpoint, bela.candidate);
  assert.notEqual(await deviceTo(anna, bela), towardsMaster);
  await anna.member.namespace.sh(`ping -c 3 -i 0.2 -W 1 ${bela.admitted.place.ipv4}`);
  await anna.member.namespace.sh(`ping -c 1 -W 1 ${bela.admitted.place.ipv6}`);
  const status = await anna.member.status();
  assert.deepEqual(
    status?.direct.map(({ name, state }) => [name, state]),
    [['bela', 'direct']],
  );

  await namespaces[1].sh('ip link set under0 down');
  const cutMs = performance.now();
  await until(
    'a way by the master',
    async () => (await deviceTo(anna, bela)) === towardsMaster,
    limitMs,
  );
  const movedMs = performance.now() - cutMs;
  assert.ok(movedMs < 1_500, `traffic was back after ${Math.round(movedMs)} ms`);
  await reported(anna.session, 'failed');

  await namespaces[1].sh('ip link set under0 up');
  introduce(anna, bela, false);
  introduce(bela, anna, true);
  await Promise.all([reported(anna.session, 'direct'), reported(bela.session, 'direct')]);
  anna.session.send({ type: 'ended', reason: 'left' });
  bela.session.send({ type: 'ended', reason: 'left' });
  await until(
    'nothing of it',
    async () => {
      const lists = await Promise.all(namespaces.map(({ sh }) => sh('ip -brief link')));
      return lists.every((list) => !list.includes('hns'));
    },
    limitMs,
  );
});
