import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabNode } from '../../lab/lab-node.ts';
import { hanseProgram } from '../../lab/vpn/hanse-program.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import { readMembership } from '../support/lab/member-session.ts';
import { until } from '../support/until.ts';

/*
 * A member in a hotel whose network lets no UDP out, and one at home. The tests are told in order.
 */
let lab: Lab;
let vpn: LabVpn;
let guest: LabMember;
let home: LabMember;
const cleanup = new AsyncDisposableStack();
/** Long, because the machine may be busy with other tests; the first trial of UDP is 15 s later. */
const slowMs = 90_000;
const untilTrialMs = 20_000;
/** It has 400 ms; a tunnel that is dead by both ways is one for longer than three seconds. */
const longestTrialMs = 2_000;

before(async () => {
  const sites = [
    { name: 'office', hosts: ['fra', 'home'] },
    { name: 'hotel', hosts: ['guest'] },
  ];
  lab = cleanup.use(await createLab({ topology: { sites } }));
  vpn = await LabVpn.create(lab, {
    name: 'hanse',
    masters: [{ host: 'fra', subset: 'europe' }],
  });
  await vpn.startMasters();
  home = await vpn.join('home', 'europe');
});
after(() => cleanup.disposeAsync());

const table = 'inet hotel';

/** At the hotel's router, for whatever passes it. */
async function blockUdp(): Promise<void> {
  const rules = [
    `add table ${table}`,
    `add chain ${table} forward { type filter hook forward priority 0; }`,
    `add rule ${table} forward meta l4proto udp drop`,
  ];
  await lab.node('hotel').run('nft', ['-f', '-'], { input: `${rules.join('\n')}\n` });
}

async function allowUdp(): Promise<void> {
  await lab.node('hotel').run('nft', ['delete', 'table', ...table.split(' ')]);
}

async function untilOver(way: 'udp' | 'https', member = guest): Promise<void> {
  await until(
    `packets of ${member.name} go over ${way}`,
    async () => {
      const path = (await readMembership(member))?.masters[0]?.path;
      return path?.over === way && path.isAlive;
    },
    slowMs,
  );
}

async function assertReaches(from: LabNode, to: LabMember): Promise<void> {
  const { received } = await from.ping(to.ipv4);
  assert.ok(received > 0, `${to.name} does not answer`);
}

test('a member joins though UDP is blocked, and has its tunnel over HTTPS', async () => {
  await blockUdp();
  guest = await vpn.join('guest', 'europe');
  await untilOver('https');
  await assertReaches(guest.node, home);
  await assertReaches(home.node, guest);
});

test('its status says so, and so do the metrics of its master', async () => {
  const line = ['status', '--dir', guest.directory];
  const { stdout } = await guest.node.run(hanseProgram, line);
  assert.match(stdout, /alive for .*, over HTTPS: UDP is blocked/);
  assert.match(stdout, /fra .*:8443/);
  assert.equal((await readMembership(home))?.masters[0]?.path?.over, 'udp');
});

test('a trial of UDP that fails costs what is sent in it, and no more, although packets come by HTTPS all the while', async () => {
  const inwards = await startMemberStream(home, guest, { port: 7_001 });
  const outwards = await startMemberStream(guest, home, { port: 7_002 });
  await delay(untilTrialMs);
  const [received, sent] = [await inwards.stop(), await outwards.stop()];
  assert.ok(sent.lost.length > 0, 'there was a trial');
  for (const { lengthMs } of [received.longestGap, sent.longestGap]) {
    assert.ok(lengthMs < longestTrialMs, `${lengthMs} ms without packets`);
  }
  assert.equal((await readMembership(guest))?.masters[0]?.path?.over, 'https');
});

test('when UDP works again it goes back to it without losing a packet', async () => {
  const stream = await startMemberStream(guest, home);
  await allowUdp();
  await untilOver('udp');
  assert.deepEqual((await stream.stop()).lost, []);
});

test('when UDP is blocked in the midst of it, traffic goes on over HTTPS', async () => {
  await blockUdp();
  await untilOver('https');
  await assertReaches(guest.node, home);
  await allowUdp();
});

test('a member that is put out loses its way over HTTPS with its place', async () => {
  await blockUdp();
  await untilOver('https');
  await vpn.hanse(['member', 'evict', guest.reference]);
  const { received } = await home.node.ping(guest.ipv4);
  assert.equal(received, 0);
  await guest.process.waitForExit(slowMs);
});
