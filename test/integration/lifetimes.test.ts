import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import type { MemberView } from '../../src/api/member-endpoints.ts';
import { readMembership, untilSession } from '../support/lab/member-session.ts';
import { PingStream } from '../support/lab/ping-stream.ts';
import { isCutOff, reaches } from '../support/lab/reachability.ts';
import { until } from '../support/until.ts';

const topology = {
  sites: [
    { name: 'north-net', hosts: ['north-1', 'n1', 'n2', 'n3', 'n4'] },
    { name: 'south-net', hosts: ['south-1', 's1'] },
  ],
};
const masters = [
  { host: 'north-1', subset: 'north' },
  { host: 'south-1', subset: 'south' },
];
/** The shortest that a VPN can have: hours of an ordinary one go by in a minute. */
const lifetimes = [
  ...['--certificate-lifetime', '10s', '--key-rotation', '10s', '--absence', '15s'],
];
const certificateLives = 4;
const certificateMs = 10_000;
const slowMs = 120_000;
const allEndedExitCode = 5;

describe('with certificates and keys that live for seconds', {
  concurrency: 2,
  timeout: 300_000,
}, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let n1: LabMember;
  let n2: LabMember;
  let s1: LabMember;
  let absent: LabMember;
  let late: LabMember;
  const show = async (reference: string): Promise<MemberView> =>
    (await vpn.hanseJson(['member', 'show', reference])) as MemberView;

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, { name: 'corp', masters, createOptions: lifetimes });
    await vpn.startMasters();
    [n1, n2, absent, late, s1] = await Promise.all([
      vpn.join('n1', 'north'),
      vpn.join('n2', 'north'),
      vpn.join('n3', 'north'),
      vpn.join('n4', 'north'),
      vpn.join('s1', 'south'),
    ]);
    await absent.kill();
  });
  after(async () => lab?.[Symbol.asyncDispose]());

  it('sessions and traffic go on through renewals and rotations', async () => {
    // The first renewal of a new member is on a new connection: the one of its join knows no certificate.
    const joined = await untilSession(n1, 'live');
    await untilRenewed(joined.certificateEndsAtMs);
    const before = await untilSession(n1, 'live');
    const streams = await Promise.all([
      PingStream.start(n1.node, n2.ipv4),
      PingStream.start(s1.node, n1.ipv6),
    ]);
    await untilRenewed((before.certificateEndsAtMs ?? 0) + certificateLives * certificateMs);
    const now = await untilSession(n1, 'live');
    const outcomes = await Promise.all(streams.map((stream) => stream.stop()));
    assert.deepEqual(
      outcomes.flatMap(({ lost }) => lost),
      [],
      JSON.stringify(outcomes),
    );
    assert.equal(now.session.reconnects, before.session.reconnects, 'the session never broke');
    const rotated = (now.epoch ?? 0) - (before.epoch ?? 0);
    assert.ok(rotated >= certificateLives - 2, `the key changed ${rotated} times by itself`);
  });

  /** Until n1 has a certificate that ends after that. */
  const untilRenewed = (endMs = 0) =>
    until(
      'n1 has renewed its certificate',
      async () => ((await readMembership(n1))?.certificateEndsAtMs ?? 0) > endMs,
      slowMs,
    );

  it('a member that does not come back expires', async () => {
    await until('it has expired', async () => (await show('n3.north')).state === 'expired', slowMs);
    assert.ok(await isCutOff(n1, absent.ipv4), 'nothing is left of it at the gateway');
    assert.ok(await isCutOff(absent, n1.ipv4), 'also when its tunnel is still up');
    await absent.restart();
    assert.equal(await absent.process.waitForExit(slowMs), allEndedExitCode);
  });

  it('a member that comes back with an expired certificate in time goes on', async () => {
    await late.kill();
    const { certificateEndsAtMs } = await show('n4.north');
    await until('its certificate ends', () => Date.now() > certificateEndsAtMs + 1_000, slowMs);
    await late.restart();
    const { place } = await untilSession(late, 'live');
    assert.equal(place?.ipv4, late.ipv4, 'it has its address still');
    assert.ok(await reaches(n1, late.ipv4));
    assert.ok((await show('n4.north')).certificateEndsAtMs > certificateEndsAtMs);
  });
});
