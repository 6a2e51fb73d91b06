import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EtcdCluster } from '../../lab/etcd/etcd-cluster.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/lab-process.ts';
import { hanseProgram } from '../../lab/vpn/hanse-program.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import type { MemberView } from '../../src/api/member-endpoints.ts';
import { readEtcd } from '../support/lab/etcd-records.ts';
import { hanseOutcome } from '../support/lab/hanse-outcome.ts';
import { untilSession } from '../support/lab/member-session.ts';
import { fillWithHistory } from '../support/lab/old-history.ts';
import { PingStream } from '../support/lab/ping-stream.ts';
import { isCutOff, reaches } from '../support/lab/reachability.ts';
import { until } from '../support/until.ts';

const topology = {
  sites: [
    { name: 'store-net', hosts: ['etcd-1'] },
    { name: 'north-net', hosts: ['north-1', 'n1', 'n2', 'n3', 'n4'] },
    { name: 'south-net', hosts: ['south-1', 's1'] },
  ],
};
const masters = [
  { host: 'north-1', subset: 'north' },
  { host: 'south-1', subset: 'south' },
];
const slowMs = 90_000;
const badInputExitCode = 2;
const tryAgainExitCode = 4;
/** So many that a copy takes long enough to be killed in its midst, also on a fast machine. */
const oldAuditEntries = 20_000;

describe('a VPN that moves from SQLite to etcd and back', { timeout: 500_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let etcd: EtcdCluster;
  let n1: LabMember;
  let n2: LabMember;
  let s1: LabMember;
  let sqlite: string;
  let etcdUrl: string;
  let running: readonly LabProcess[] = [];
  const cleanup = new AsyncDisposableStack();
  const node = () => vpn.master('north-1').node;
  const copyLine = (from: string, to: string) => [
    ...['store', 'copy', '--from', from, '--to', to, '--dir', vpn.directory],
  ];
  const copy = (from: string, to: string) => hanseOutcome(node(), copyLine(from, to));
  const show = async (reference: string) =>
    (await vpn.hanseJson(['member', 'show', reference])) as MemberView;
  const keysInEtcd = async () => (await readEtcd(etcd, 'moved/')).map(({ key }) => key);

  before(async () => {
    lab = cleanup.use(await createLab({ topology }));
    const place = { node: lab.node('etcd-1'), link: lab.link('etcd-1') };
    etcd = cleanup.use(await EtcdCluster.start({ members: [place], tls: true }));
    const passwordFile = join(lab.directory, 'etcd-password');
    await writeFile(passwordFile, 'a pass:word\n', { mode: 0o600 });
    await etcd.requireUser({ name: 'hanse', password: 'a pass:word', keyPrefix: 'moved/' });
    etcdUrl = etcd.url(`/moved?${etcd.tlsQuery}&user=hanse&password-file=${passwordFile}`);
    vpn = await LabVpn.create(lab, { name: 'corp', masters });
    sqlite = `sqlite:${join(vpn.directory, 'store.db')}`;
    await vpn.startMasters();
    running = vpn.masters.map(({ process }) => process);
    [n1, n2, s1] = await Promise.all([
      vpn.join('n1', 'north'),
      vpn.join('n2', 'north'),
      vpn.join('s1', 'south'),
    ]);
  });
  after(async () => cleanup.disposeAsync());

  it('is not copied while its masters run', async () => {
    const { exitCode, output } = await copy(sqlite, etcdUrl);
    assert.equal(exitCode, tryAgainExitCode, output);
    assert.match(output, /masters act on .*north, south: stop every master/);
    assert.deepEqual(await keysInEtcd(), []);
  });

  it('is not copied into a store that holds anything', async () => {
    await stopMasters();
    await etcd.control(['put', 'moved/somebody', 'else']);
    const { exitCode, output } = await copy(sqlite, etcdUrl);
    assert.equal(exitCode, badInputExitCode, output);
    assert.match(output, /not empty/);
    assert.deepEqual(await keysInEtcd(), ['moved/somebody']);
    await etcd.control(['del', 'moved/somebody']);
  });

  it('is copied whole although the copy is killed midway, while packets flow', async () => {
    const streams = await Promise.all([
      PingStream.start(n1.node, n2.ipv4),
      PingStream.start(s1.node, n1.ipv6),
    ]);
    await fillWithHistory(sqlite, oldAuditEntries);
    const killed = await node().start(hanseProgram, copyLine(sqlite, etcdUrl));
    await until('it writes', async () => (await keysInEtcd()).includes('moved/move/state'), slowMs);
    await killed.kill('SIGKILL');
    assert.equal(await killed.waitForExit(slowMs), undefined, 'it was not done yet');
    assert.ok(!(await keysInEtcd()).includes('moved/directory/vpn'), 'nobody takes it for a VPN');
    await assert.rejects(startOn(etcdUrl), /holds no VPN/);

    const { exitCode, output } = await copy(sqlite, etcdUrl);
    assert.equal(exitCode, 0, output);
    assert.match(output, /going on from an interrupted copy/);
    assert.match(output, /entries are the same in both/);
    running = await startOn(etcdUrl);
    await Promise.all([n1, n2, s1].map((member) => untilSession(member, 'live')));
    for (const stream of streams) assert.deepEqual((await stream.stop()).lost, []);
  });

  it('is served from etcd: members keep what they had, others join, and an eviction holds', async () => {
    assert.match(await vpn.hanse(['status', '--json']), /etcds:/);
    assert.equal((await show('n1.north')).ipv4, n1.ipv4);
    const n3 = await vpn.join('n3', 'north');
    assert.ok(await reaches(n3, s1.ipv4));
    await vpn.hanse(['member', 'evict', 'n2.north', '--wait', '20s']);
    assert.ok(await isCutOff(n2, n1.ipv4));
  });

  it('moves back with all that has happened since', async () => {
    await stopMasters();
    const back = `sqlite:${join(vpn.directory, 'back.db')}`;
    const { exitCode, output } = await copy(etcdUrl, back);
    assert.equal(exitCode, 0, output);
    running = await startOn(back);
    await Promise.all([n1, s1].map((member) => untilSession(member, 'live')));
    assert.match(await vpn.hanse(['status', '--json']), /back\.db/);
    assert.equal((await show('n2.north')).state, 'evicted');
    assert.equal((await show('n3.north')).state, 'active');
    assert.ok(await isCutOff(n2, n1.ipv4));
    assert.ok(await reaches(n1, s1.ipv4));
    const late = await vpn.join('n4', 'north');
    assert.ok(await reaches(late, s1.ipv6));
  });

  async function stopMasters(): Promise<void> {
    await Promise.all(running.map((process) => process.stop(slowMs)));
  }

  /** Resolves when each acts for its subset. @throws Error with the output of one that does not */
  function startOn(store: string): Promise<readonly LabProcess[]> {
    return Promise.all(
      vpn.masters.map(async (master) => {
        const line = [...master.runArguments, '--store', store];
        const process = await master.node.start(hanseProgram, line);
        await process.waitForOutput(/acting for the subset/, slowMs);
        return process;
      }),
    );
  }
});
