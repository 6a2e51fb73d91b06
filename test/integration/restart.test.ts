import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createLab, type Lab } from '../../lab/lab.ts';
import { hanseProgram } from '../../lab/vpn/hanse-program.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { createRunner } from '../../src/host/runner.ts';
import { hanseOutcome } from '../support/lab/hanse-outcome.ts';
import { readMembership, untilSession } from '../support/lab/member-session.ts';
import { PingStream } from '../support/lab/ping-stream.ts';
import { reaches } from '../support/lab/reachability.ts';
import { vpnInterface } from '../support/lab/vpn-interface.ts';
import { until } from '../support/until.ts';

const topology = {
  sites: [
    { name: 'north-net', hosts: ['north-1', 'n1', 'n2', 'n3'] },
    { name: 'south-net', hosts: ['south-1', 's1'] },
  ],
};
const masters = [
  { host: 'north-1', subset: 'north' },
  { host: 'south-1', subset: 'south' },
];
/** A network of the machine's own that lies within the VPN's. */
const ownNetwork = '100.64.1.1/24';
const slowMs = 90_000;
const busyExit = /another daemon runs on .*: stop it, or give another directory/;
const overlapExit = /100\.64\.1\.0\/24/;

describe('daemons that end and start', { timeout: 300_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let n1: LabMember;
  let n2: LabMember;
  let s1: LabMember;

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, { name: 'corp', masters });
    await vpn.startMasters();
    [n1, n2, s1] = await Promise.all([
      vpn.join('n1', 'north'),
      vpn.join('n2', 'north'),
      vpn.join('s1', 'south'),
    ]);
  });
  after(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  it('a member comes up from its disk while every master is dead', async () => {
    await Promise.all(vpn.masters.map((master) => master.kill()));
    await n1.kill();
    // As after a reboot: the interface is gone, and the disk is all there is.
    await n1.node.run('ip', ['link', 'delete', await vpnInterface(n1.node)]);
    await n1.restart();
    await until('n1 has its tunnel', () => reaches(n1, n2.ipv4), slowMs);
    assert.ok(await reaches(n1, s1.ipv6), 'also into the other subset');
    assert.notEqual((await readMembership(n1))?.session.state, 'live', 'no master has answered');
  });

  it('masters come back, adopt their tunnels without loss, and members find them', async () => {
    const stream = await PingStream.start(n2.node, s1.ipv4);
    await Promise.all(vpn.masters.map((master) => master.start()));
    await Promise.all([n1, n2, s1].map((member) => untilSession(member, 'live')));
    const { lost } = await stream.stop();
    assert.deepEqual(lost, []);
  });

  it('a daemon that is told to stop leaves its tunnels, and ends well', async () => {
    const stream = await PingStream.start(n1.node, n2.ipv4);
    assert.equal(await n2.process.stop(slowMs), 0);
    assert.equal(await vpn.master('north-1').process.stop(slowMs), 0);
    await vpn.master('north-1').start();
    await n2.restart();
    await untilSession(n2, 'live');
    assert.deepEqual((await stream.stop()).lost, []);
  });

  it('a second daemon on the same directory is refused', async () => {
    const member = await hanseOutcome(n1.node, ['member', 'run', '--dir', n1.directory]);
    assert.match(member.output, busyExit);
    assert.ok(member.exitCode, 'it ends with a failure');
    const master = vpn.master('north-1');
    const second = await hanseOutcome(master.node, master.runArguments);
    assert.match(second.output, busyExit);
    assert.ok(second.exitCode, 'it ends with a failure');
    await untilSession(n1, 'live');
    assert.ok(await reaches(n1, n2.ipv4), 'and the first ones go on');
  });

  it('nothing starts where the machine has the VPN’s addresses already', async () => {
    const node = lab.node('n3');
    const veth = ['link', 'add', 'office', 'type', 'veth', 'peer', 'name', 'office-peer'];
    await node.run('ip', veth);
    await node.run('ip', ['addr', 'add', ownNetwork, 'dev', 'office']);
    for (const name of ['office', 'office-peer']) await node.run('ip', ['link', 'set', name, 'up']);

    const create = ['vpn', 'create', 'other', '--dir', join(lab.directory, 'other')];
    const created = await hanseOutcome(node, create);
    assert.match(created.output, overlapExit);
    assert.ok(created.exitCode);

    // As if south-1 moved here: its keys and its store are in reach.
    const master = vpn.master('south-1');
    await master.process.stop(slowMs);
    const run = await hanseOutcome(node, master.runArguments);
    assert.match(run.output, overlapExit);
    assert.ok(run.exitCode);
    await master.start();

    const token = await vpn.invite('north');
    const directory = join(lab.directory, 'members', 'overlapping');
    const joining = ['member', 'join', token, '--name', 'n3', '--dir', directory];
    const joined = await node.start(hanseProgram, joining);
    await joined.waitForOutput(overlapExit, slowMs);
    await joined.stop();
    const { stdout } = await node.run('ip', ['route', 'get', '100.64.1.9']);
    assert.match(stdout, /dev office/, 'the machine keeps its own network');
    await node.run('ip', ['link', 'delete', 'office']);
  });

  it('sockets, keys and stores are for their owner only', async () => {
    const secret = /\.(?:key|sock|db|db-wal|db-shm)$|identity\.pem$|sealing/;
    const open: string[] = [];
    for (const root of [vpn.directory, n1.directory]) {
      for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        const { mode } = await stat(path);
        const mustBeClosed = entry.isDirectory() || secret.test(entry.name);
        if (mustBeClosed && (mode & 0o077) !== 0)
          open.push(`${path} ${(mode & 0o777).toString(8)}`);
      }
    }
    assert.deepEqual(open, []);
    assert.equal((await stat(join(n1.directory, 'member', 'member.sock'))).mode & 0o777, 0o600);
  });

  it('of a lab that is over nothing is left', async () => {
    const { id, directory } = lab;
    const devices = await Promise.all([n1, n2, s1].map(({ node }) => vpnInterface(node)));
    const pids = [n1, n2, s1].map(({ process }) => process.pid);
    await lab[Symbol.asyncDispose]();
    const { stdout } = await createRunner().run('ip', ['netns', 'list'], { timeoutMs: slowMs });
    assert.ok(!stdout.includes(`hanse-${id}-`), 'namespaces');
    await assert.rejects(stat(directory), { code: 'ENOENT' });
    for (const device of devices) {
      await assert.rejects(stat(`/var/run/wireguard/${device}.sock`), { code: 'ENOENT' });
    }
    for (const pid of pids) await assert.rejects(stat(`/proc/${pid}`), { code: 'ENOENT' });
  });
});
