import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddress, parsePrefix } from '../../model/prefix.ts';
import { planLinkChanges } from './link-changes.ts';
import {
  collectRoutes,
  planRouteChanges,
  type Routes,
  restoreIpv4Routes,
  routesOf,
} from './routes.ts';

const address = parseAddress('100.64.0.1');
const link = { isUp: true, alias: 'hanse:x', mtuBytes: 1_420, addresses: [address] };

describe('the changes of a link', () => {
  it('are everything for a new one', () => {
    const wanted = { ...link, addresses: [address, parseAddress('fd00::1')] };
    assert.deepEqual(planLinkChanges('hns0', undefined, wanted), {
      before: [
        'link set dev hns0 alias hanse:x',
        'link set dev hns0 addrgenmode none',
        'link set dev hns0 mtu 1420',
        'address replace 100.64.0.1/32 dev hns0',
        'address replace fd00::1/128 dev hns0 nodad',
        'link set dev hns0 up',
      ],
      after: [],
      losesIpv4Routes: false,
    });
  });

  it('are none for one that is as wanted', () => {
    const none = { before: [], after: [], losesIpv4Routes: false };
    assert.deepEqual(planLinkChanges('hns0', link, { ...link }), none);
  });

  it('take an old address away only when routes have moved to the new one', () => {
    const wanted = { ...link, addresses: [parseAddress('100.64.0.2')] };
    assert.deepEqual(planLinkChanges('hns0', link, wanted), {
      before: ['address replace 100.64.0.2/32 dev hns0'],
      after: ['address delete 100.64.0.1/32 dev hns0'],
      losesIpv4Routes: false,
    });
  });

  it('tell when the last IPv4 address goes, and the kernel lets go of the IPv4 routes', () => {
    const wanted = { ...link, addresses: [parseAddress('fd00::1')] };
    assert.equal(planLinkChanges('hns0', link, wanted).losesIpv4Routes, true);
    const had = { ...link, addresses: [] };
    assert.equal(planLinkChanges('hns0', had, had).losesIpv4Routes, false);
  });
});

describe('the changes of routes', () => {
  const destination = parsePrefix('100.64.0.0/10');
  const via = (device: string): Routes => routesOf([{ destination, device }]);
  const rest = 'proto 104 metric 10104';

  it('replace a route that moves to another interface, and delete nothing then', () => {
    assert.deepEqual(planRouteChanges(via('hns0'), via('hns1')), {
      replaced: [`route replace 100.64.0.0/10 dev hns1 ${rest}`],
      ended: [],
    });
  });

  it('delete what is no longer wanted and leave what is', () => {
    assert.deepEqual(planRouteChanges(via('hns0'), new Map()), {
      replaced: [],
      ended: [`route delete 100.64.0.0/10 dev hns0 ${rest}`],
    });
    const nothing = { replaced: [], ended: [] };
    assert.deepEqual(planRouteChanges(via('hns0'), via('hns0')), nothing);
  });

  it('name the address to send from', () => {
    const wanted = routesOf([{ destination, device: 'hns0', source: address }]);
    assert.deepEqual(planRouteChanges(via('hns0'), wanted).replaced, [
      `route replace 100.64.0.0/10 dev hns0 ${rest} src 100.64.0.1`,
    ]);
  });

  it('bring the longest prefix first, so that what goes around an interface does before the rest goes into it', () => {
    const wanted = [
      'fd12:3456:789a::/48',
      'fd12:3456:789a:1::8000:2/128',
      'fd12:3456:789a:1::/64',
    ].map((text) => ({ destination: parsePrefix(text), device: 'hns0' }));
    const { replaced, ended } = planRouteChanges(via('hns0'), routesOf(wanted));
    assert.deepEqual(
      [...replaced, ...ended],
      [
        `route replace fd12:3456:789a:1::8000:2/128 dev hns0 ${rest}`,
        `route replace fd12:3456:789a:1::/64 dev hns0 ${rest}`,
        `route replace fd12:3456:789a::/48 dev hns0 ${rest}`,
        `route delete 100.64.0.0/10 dev hns0 ${rest}`,
      ],
    );
  });

  it('of one destination in two tables are two', () => {
    const inTable = { destination, device: 'hns1', table: 7 };
    const wanted = routesOf([{ destination, device: 'hns0' }, inTable]);
    assert.deepEqual(planRouteChanges(via('hns0'), wanted), {
      replaced: [`route replace 100.64.0.0/10 dev hns1 ${rest} table 7`],
      ended: [],
    });
    assert.deepEqual(planRouteChanges(wanted, via('hns0')).ended, [
      `route delete 100.64.0.0/10 dev hns1 ${rest} table 7`,
    ]);
  });

  it('put back the IPv4 routes of one interface', () => {
    const routes = routesOf([
      { destination, device: 'hns0' },
      { destination: parsePrefix('fd00::/48'), device: 'hns0' },
      { destination: parsePrefix('10.0.0.0/8'), device: 'hns1' },
    ]);
    assert.deepEqual(restoreIpv4Routes('hns0', routes), [
      `route replace 100.64.0.0/10 dev hns0 ${rest}`,
    ]);
  });

  it('are refused when two interfaces want one destination', () => {
    const wanting = (name: string) => ({ name, routes: [{ destination }] });
    const interfaces = [wanting('hns0'), wanting('hns1')] as unknown as Parameters<
      typeof collectRoutes
    >[0];
    assert.throws(() => collectRoutes(interfaces), {
      code: 'contradiction',
      message: '100.64.0.0/10 is wanted through hns0 and through hns1',
    });
  });
});
