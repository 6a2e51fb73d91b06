import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { StreamResult } from '../../lab/packet-stream.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import type { DirectState } from '../../src/api/direct-messages.ts';
import { directPathTo, untilPaths } from '../support/lab/direct-path.ts';
import { until } from '../support/until.ts';

const nat = 'port-restricted';
const topology = {
  carriers: [{ name: 'telco', nat, hairpin: true } as const, { name: 'cable', nat } as const],
  sites: [
    { name: 'hub-net', hosts: ['hub'] },
    { name: 'web-net', hosts: ['web'] },
    { name: 'telco-1-net', nat, carrier: 'telco', hosts: ['telco-1'] } as const,
    { name: 'telco-2-net', nat, carrier: 'telco', hosts: ['telco-2'] } as const,
    { name: 'cable-1-net', nat, carrier: 'cable', hosts: ['cable-1'] } as const,
    { name: 'cable-2-net', nat, carrier: 'cable', hosts: ['cable-2'] } as const,
    { name: 'both-net', nat, ipv6: true, hosts: ['both'] } as const,
    { name: 'home-net', nat, hosts: ['laptop'] } as const,
    { name: 'cafe-net', nat, hosts: ['guest'] } as const,
    { name: 'shop-net', nat: 'symmetric', mappingSeconds: 5, hosts: ['till'] } as const,
  ],
};
const names = ['web', 'telco-1', 'telco-2', 'cable-1', 'cable-2', 'both', 'laptop', 'till'];
/** Above `mappingSeconds` of the shop. */
const afterMappingMs = 8_000;
/** Well above the second in which a silent path is left, because the machine may be busy. */
const longestGapMs = 2_500;
/** Nearly three times `mappingSeconds`. */
const silentMs = 14_000;
const attempts = 3;
/** Longer than it takes to see that nothing comes back. */
const afterForgettingMs = 2_000;
const slowMs = 60_000;

describe('two members on networks that', { timeout: 900_000 }, () => {
  let lab: Lab;
  const members = new Map<string, LabMember>();
  const memberOf = (name: string): LabMember => members.get(name) ?? assert.fail(name);

  before(async () => {
    lab = await createLab({ topology });
    const masters = [{ host: 'hub', subset: 'north' }];
    const vpn = await LabVpn.create(lab, { name: 'hanse', masters });
    await vpn.startMasters();
    for (const name of names) members.set(name, await vpn.join(name, 'north'));
  });
  after(() => lab?.[Symbol.asyncDispose]());

  /** Talks until both ends are in the state, and for as long as something else is done then. */
  async function talk(
    [one, other]: readonly [string, string],
    state: DirectState,
    meanwhile: (stateAgain: () => Promise<unknown>) => Promise<unknown> = async () => {},
  ): Promise<StreamResult> {
    const [from, to] = [memberOf(one), memberOf(other)];
    const stream = await startMemberStream(from, to);
    await untilPaths(from, to, state);
    await meanwhile(() => untilPaths(from, to, state));
    return stream.stop();
  }

  for (const [where, pair, state] of [
    ['are behind a home’s NAT behind a carrier’s, and public', ['telco-1', 'web'], 'direct'],
    ['share a carrier that sends back what comes from inside', ['telco-1', 'telco-2'], 'direct'],
    ['share a carrier that does not', ['cable-1', 'cable-2'], 'failed'],
    ['are behind two carriers', ['telco-2', 'cable-2'], 'direct'],
    ['have IPv6 at one end only', ['both', 'laptop'], 'direct'],
  ] as const) {
    it(`${where}: ${state === 'direct' ? 'direct' : 'through the master'}, and nothing is lost`, async () => {
      assert.deepEqual((await talk(pair, state)).lost, []);
    });
  }

  it('change while they talk: the path is found again from the new one', async () => {
    const { longestGap } = await talk(['laptop', 'web'], 'direct', async () => {
      await lab.roam('laptop', { to: 'cafe-net' });
      await until('it is reached there', () => isReachedAt('cafe-net'), slowMs);
    });
    assert.ok(longestGap.lengthMs <= longestGapMs, `a gap of ${longestGap.lengthMs} ms`);
  });

  it('forget their mappings: the path goes on, or is found again', async () => {
    const { longestGap } = await talk(['telco-1', 'web'], 'direct', async (again) => {
      await lab.node('telco').forgetMappings();
      await delay(afterForgettingMs);
      await again();
    });
    assert.ok(longestGap.lengthMs <= longestGapMs, `a gap of ${longestGap.lengthMs} ms`);
  });

  it('forget a mapping after five silent seconds: the path is never as silent, whatever passes', async () => {
    for (let attempt = 1; !(await isKept()); attempt += 1) {
      // It is left as well when the machine stands still for most of a second, but not every time.
      assert.ok(attempt < attempts, `it was left ${attempt} times`);
    }
  });

  /** Whether the path is still the same when it has carried nothing for longer than the NAT remembers. */
  async function isKept(): Promise<boolean> {
    const [till, web] = [memberOf('till'), memberOf('web')];
    assert.deepEqual((await talk(['till', 'web'], 'direct')).lost, []);
    const found = await directPathTo(web, till);
    await delay(silentMs);
    const now = await directPathTo(web, till);
    if (now?.state !== 'direct' || now.ageMs < silentMs) return false;
    return now.endpoint === found?.endpoint;
  }

  it('have forgotten a mapping that nobody could keep: the path is found again from another', async () => {
    const [till, web] = [memberOf('till'), memberOf('web')];
    await talk(['till', 'web'], 'direct', async (again) => {
      const before = await directPathTo(web, till);
      await lab.link('till').cut();
      await delay(afterMappingMs);
      await lab.link('till').restore();
      await again();
      const after = await directPathTo(web, till);
      assert.notEqual(after?.endpoint, before?.endpoint, 'a symmetric NAT maps to another port');
    });
  });

  /** Whether web's packets to laptop go to the outside of that site's NAT. */
  async function isReachedAt(site: string): Promise<boolean> {
    const path = await directPathTo(memberOf('web'), memberOf('laptop'));
    const outside = lab.node(site).address('ipv4');
    return path?.state === 'direct' && path.endpoint?.startsWith(`${outside}:`) === true;
  }
});
