import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from '../../lab/lab.ts';
import { hanseProgram } from '../../lab/vpn/hanse-program.ts';
import { LabMaster } from '../../lab/vpn/lab-master.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import type { MemberView } from '../../src/api/member-endpoints.ts';
import { actingPrefix, moveStateKey, vpnKey } from '../../src/store/keys.ts';
import { openStore } from '../../src/store/open-store.ts';
import { scanStore } from '../../src/store/whole-store.ts';
import { hanseOutcome } from '../support/lab/hanse-outcome.ts';
import { readMembership, untilSession } from '../support/lab/member-session.ts';
import { fillWithHistory } from '../support/lab/old-history.ts';
import { isCutOff, reaches } from '../support/lab/reachability.ts';
import { until } from '../support/until.ts';

const topology = {
  sites: [
    { name: 'north-net', hosts: ['north-1', 'n1', 'n2', 'n3'] },
    { name: 'south-net', hosts: ['south-1', 's1', 's2'] },
  ],
};
const masters = [
  { host: 'north-1', subset: 'north' },
  { host: 'south-1', subset: 'south' },
];
const slowMs = 90_000;
const badInputExitCode = 2;
/** So many that a copy takes long enough to be killed in its midst, also on a fast machine. */
const oldAuditEntries = 40_000;

describe('a VPN that is lost and restored', { timeout: 600_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let n1: LabMember;
  let n2: LabMember;
  let evicted: LabMember;
  let s1: LabMember;
  let file: string;
  let restored: string;
  let restoredMasters: readonly LabMaster[] = [];

  const hanse = async (line: readonly string[], directory = restored) => {
    const outcome = await hanseOutcome(vpn.master('north-1').node, line, { HANSE_DIR: directory });
    assert.equal(outcome.exitCode, 0, outcome.output);
    return outcome.output;
  };
  const show = async (reference: string, directory = restored) =>
    JSON.parse(await hanse(['member', 'show', reference, '--json'], directory)) as MemberView;
  const untilSuspended = (member: LabMember) =>
    until(
      `${member.reference} hears that it is suspended`,
      async () => /suspended/.test((await readMembership(member))?.session.lastError ?? ''),
      slowMs,
    );

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, { name: 'corp', masters });
    file = join(lab.directory, 'corp.hanse');
    restored = join(lab.directory, 'restored');
    await vpn.startMasters();
    [n1, n2, evicted, s1] = await Promise.all([
      vpn.join('n1', 'north'),
      vpn.join('n2', 'north'),
      vpn.join('n3', 'north'),
      vpn.join('s1', 'south'),
    ]);
  });
  after(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  it('is saved while its masters serve, and loses a member afterwards', async () => {
    const output = await hanse(['backup', file], vpn.directory);
    assert.match(output, /north \(3 members\), south \(1 members\)/);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.ok(await reaches(evicted, s1.ipv4));
    // It hears of nothing from now on, and keeps what it has: its keys, its tunnel.
    await evicted.kill();
    await hanse(['member', 'evict', evicted.reference, '--wait', '5s'], vpn.directory);
    assert.ok(await isCutOff(evicted, s1.ipv4));
  });

  it('comes back with everybody suspended: nobody gets anything through, the evicted one neither', async () => {
    await Promise.all(vpn.masters.map((master) => master.kill()));
    const output = await hanse(['restore', file, '--dir', restored]);
    assert.match(output, /suspended in north +3: n1, n2, n3/);
    assert.match(output, /suspended in south +1: s1/);
    restoredMasters = vpn.masters.map(
      ({ name, node, subset }) => new LabMaster({ name, node, subset, directory: restored }),
    );
    await Promise.all(restoredMasters.map((master) => master.start()));
    await evicted.restart();
    assert.ok(await isCutOff(evicted, n1.ipv4), 'it is not let in for a moment');
    assert.ok(await isCutOff(evicted, s1.ipv6), 'it is not let in for a moment');
    for (const member of [n1, n2, evicted, s1]) await untilSuspended(member);
    const pairs = [
      [evicted, n1],
      [evicted, s1],
      [n1, n2],
      [s1, n2],
    ] as const;
    await Promise.all(
      pairs.map(async ([from, to]) => {
        // The masters of before were killed: their tunnels stay until the restored ones know better.
        const what = `${from.name} does not reach ${to.name}`;
        await until(what, () => isCutOff(from, to.ipv4), slowMs);
        assert.ok(await isCutOff(from, to.ipv6), what);
      }),
    );
    for (const reference of ['n1.north', 'n3.north', 's1.south']) {
      assert.equal((await show(reference)).state, 'suspended');
    }
    const audit = await hanse(['audit', '--subset', 'north']);
    assert.match(audit, /subset-restored/);
  });

  it('lets those in again that are confirmed, with all that they had, and nobody else', async () => {
    const before = await show('n1.north');
    await hanse(['member', 'confirm', 'n1.north', 'n2.north']);
    await hanse(['member', 'evict', evicted.reference, '--wait', '30s']);
    await hanse(['member', 'confirm', '--all']);
    await Promise.all([n1, n2, s1].map((member) => untilSession(member, 'live')));
    for (const [from, to] of [
      [n1, n2],
      [n2, s1],
      [s1, n1],
    ] as const) {
      await until(`${from.name} reaches ${to.name}`, () => reaches(from, to.ipv4), slowMs);
      assert.ok(await reaches(from, to.ipv6));
    }
    const now = await show('n1.north');
    const same = ({ ipv4, ipv6, identityKey, joinedAtMs }: MemberView) => ({
      ...{ ipv4, ipv6, identityKey, joinedAtMs },
    });
    assert.deepEqual(same(now), same(before));
    assert.equal(now.state, 'active');
    assert.equal((await show(evicted.reference)).state, 'evicted');
    assert.ok(await isCutOff(evicted, n1.ipv4));
    assert.ok(await isCutOff(n1, evicted.ipv6));
    const invited = await hanse(['invite', 'create', '--subset', 'south']);
    const [token = ''] = /hanse_\S+/.exec(invited) ?? [];
    const fresh = await vpn.join('s2', 'south', { token });
    assert.ok(await reaches(fresh, n1.ipv4), 'and the VPN grows on');
  });

  it('moves to another store, however often the copy is killed', async () => {
    await Promise.all(restoredMasters.map(({ process }) => process.stop(slowMs)));
    const from = `sqlite:${join(restored, 'store.db')}`;
    await fillWithHistory(from, oldAuditEntries);
    const path = join(lab.directory, 'moved.db');
    const line = ['store', 'copy', '--from', from, '--to', `sqlite:${path}`, '--update-configs'];
    const interrupted = await killUntilDone([...line, '--dir', restored], path);
    assert.ok(interrupted > 0, 'no kill came in the midst of a copy');
    // Who acts hangs on a lease of the store that was left.
    const kept = (await contents(from)).filter((entry) => !entry.startsWith(actingPrefix));
    assert.deepEqual(await contents(`sqlite:${path}`), kept);
    await Promise.all(restoredMasters.map((master) => master.start()));
    await Promise.all([n1, n2, s1].map((member) => untilSession(member, 'live')));
    assert.ok(await reaches(n1, s1.ipv4));
    const status = await hanse(['status', '--json']);
    assert.match(status, /moved\.db/, 'the masters serve from the new store');
  });

  it('is restored whole, however often the restoration is killed', async () => {
    const large = join(lab.directory, 'large.hanse');
    await hanse(['backup', large]);
    const directory = join(lab.directory, 'again');
    const interrupted = await killUntilDone(
      ['restore', large, '--dir', directory],
      join(directory, 'store.db'),
    );
    assert.ok(interrupted > 0, 'no kill came in the midst of a restoration');
    const found = await contents(`sqlite:${join(directory, 'store.db')}`);
    assert.ok(found.length > oldAuditEntries);
    assert.ok(found.some((entry) => entry.startsWith(`${vpnKey}=`)));
    assert.equal(found.filter((entry) => entry.includes('"state":"active"')).length, 0);
  });

  /**
   * Runs the command and kills it, later each time by more, until it comes to its end.
   * @returns how often it left work behind
   */
  async function killUntilDone(line: readonly string[], storePath: string): Promise<number> {
    let interrupted = 0;
    let hasEnded = false;
    for (let round = 0; ; round += 1) {
      const started = await lab.node('north-1').start(hanseProgram, line);
      const isThere = () => stat(storePath).then(Boolean, () => false);
      await until(
        'the store is being made',
        async () => (await isThere()) || !(await started.isRunning()),
        slowMs,
      );
      await delay(round ** 2 * 15);
      await started.kill('SIGKILL');
      const exitCode = await started.waitForExit(slowMs);
      // A restoration that was killed between its end and its exit overwrites nothing.
      if (exitCode === 0 || (hasEnded && exitCode === badInputExitCode)) return interrupted;
      assert.equal(exitCode, undefined, await started.output());
      await using store = await openStore(`sqlite:${storePath}`);
      const isVpn = (await store.get(vpnKey)) !== undefined;
      if ((await store.get(moveStateKey)) === undefined) {
        hasEnded = isVpn;
        continue;
      }
      interrupted += 1;
      assert.ok(!isVpn, 'nobody takes it for a VPN');
    }
  }
});

async function contents(storeUrl: string): Promise<readonly string[]> {
  await using store = await openStore(storeUrl);
  return await Array.fromAsync(
    scanStore(store),
    ({ key, value }) => `${key}=${Buffer.from(value)}`,
  );
}
