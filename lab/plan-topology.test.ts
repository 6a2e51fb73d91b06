import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabError } from './lab-error.ts';
import { type NatKind, renderNatRules } from './nat-rules.ts';
import { renderNodeScript } from './node-script.ts';
import { planTopology } from './plan-topology.ts';
import type { LinkSpec, SiteSpec, Topology } from './topology.ts';

const twoSites: Topology = {
  sites: [
    { name: 'fra', hosts: ['a', { name: 'b', link: { mtuBytes: 1_400 } }], uplink: { delayMs: 0 } },
    { name: 'home', nat: 'port-restricted', hosts: ['c'], uplink: { rateMbit: 50 } },
  ],
};

test('every node but the core has one link, which has its name', () => {
  const plan = planTopology(twoSites);
  assert.deepEqual(
    plan.nodes.map(({ name, kind }) => `${kind} ${name}`),
    ['core internet', 'router fra', 'host a', 'host b', 'router home', 'host c'],
  );
  assert.deepEqual(
    plan.links.map(({ name, upper, lower }) => `${name}: ${upper.node} - ${lower.node}`),
    ['fra: internet - fra', 'a: fra - a', 'b: fra - b', 'home: internet - home', 'c: home - c'],
  );
});

test('hosts behind a NAT have private addresses, which the core has no route to', () => {
  const plan = planTopology(twoSites);
  const addresses = Object.fromEntries(
    plan.nodes.map(({ name, addresses: { ipv4, ipv6 } }) => [name, [ipv4?.ip, ipv6?.ip]]),
  );
  assert.deepEqual(addresses, {
    internet: [undefined, undefined],
    fra: ['198.18.1.2', '2001:db8:0:1::2'],
    a: ['198.19.1.11', '2001:db8:1::b'],
    b: ['198.19.1.12', '2001:db8:1::c'],
    home: ['198.18.2.2', '2001:db8:0:2::2'],
    c: ['192.168.2.11', undefined],
  });
  const coreRoutes = plan.links.flatMap(
    ({ upper }) => upper.attachment?.routes.map(({ destination }) => destination) ?? [],
  );
  assert.deepEqual(coreRoutes, ['198.19.1.0/24', '2001:db8:1::/64']);
});

test('a site behind a NAT may have IPv6, which its router then shields', () => {
  const plan = planTopology({ sites: [{ name: 'x', nat: 'symmetric', ipv6: true, hosts: ['h'] }] });
  assert.equal(plan.nodes[2]?.addresses.ipv6?.ip, '2001:db8:1::b');
  assert.equal(plan.nodes[1]?.nat?.shieldsIpv6, true);
});

test('a carrier is between the core and its customers, and routes only their IPv6', () => {
  const plan = planTopology({
    carriers: [{ name: 'telco', nat: 'symmetric', hairpin: true }],
    sites: [
      { name: 'fra', hosts: [] },
      { name: 'home', nat: 'full-cone', mappingSeconds: 30, carrier: 'telco', hosts: ['a'] },
      { name: 'cabin', nat: 'full-cone', ipv6: true, carrier: 'telco', hosts: [] },
    ],
  });
  assert.deepEqual(
    plan.links.map(({ name, upper, lower }) => `${name}: ${upper.node} - ${lower.node}`),
    [
      'telco: internet - telco',
      'fra: internet - fra',
      'home: telco - home',
      'a: home - a',
      'cabin: telco - cabin',
    ],
  );
  const [telco, home, cabin] = ['telco', 'home', 'cabin'].map((name) =>
    plan.nodes.find((node) => node.name === name),
  );
  assert.deepEqual(
    [telco, home, cabin].map((router) => router?.addresses.ipv4?.ip),
    ['198.18.4.2', '100.64.4.11', '100.64.4.12'],
  );
  assert.deepEqual(telco?.lan?.routes, [{ destination: '2001:db8:3::/64', via: '2001:db8:4::c' }]);
  assert.deepEqual(
    [
      telco?.nat?.hairpin,
      telco?.nat?.mappingSeconds,
      home?.nat?.hairpin,
      home?.nat?.mappingSeconds,
    ],
    [true, 120, false, 30],
  );
});

test('a link is delayable when its declaration speaks of delay at all', () => {
  const delayable = (uplink: LinkSpec) =>
    planTopology({ sites: [{ name: 'x', hosts: [], uplink }] }).links[0]?.delayable;
  assert.equal(delayable({}), false);
  assert.equal(delayable({ rateMbit: 5 }), false);
  assert.equal(delayable({ delayMs: 0 }), true);
  assert.equal(delayable({ lossPercent: 0 }), true);
  assert.equal(delayable({ delayable: true }), true);
});

const refused: readonly [string, Topology, RegExp][] = [
  ['a name twice', { sites: [{ name: 'a', hosts: ['a'] }] }, /two nodes are called a/],
  ['the name of the core', { sites: [{ name: 'internet', hosts: [] }] }, /called internet/],
  ['a name for shells', { sites: [{ name: 'a; b', hosts: [] }] }, /is not a node name/],
  ['jitter above the delay', withUplink({ delayMs: 1, jitterMs: 2 }), /at least jitterMs/],
  ['a rate of zero', withUplink({ rateMbit: 0 }), /rateMbit must be above 0/],
  ['a loss above all', withUplink({ lossPercent: 101 }), /lossPercent must be 0 to 100/],
  ['an MTU that IPv6 does not take', withUplink({ mtuBytes: 1_279 }), /mtuBytes must be 1280/],
  [
    'more hosts than addresses',
    { sites: [{ name: 'x', hosts: Array.from({ length: 241 }, (_, n) => `h${n}`) }] },
    /more than 240 hosts/,
  ],
  ['a carrier that is not there', withHome({ carrier: 'x' }), /names a carrier x, which/],
  ['a carrier as a site', withHome({ carrier: 'fra' }), /names a carrier fra, which/],
  [
    'public hosts behind a carrier',
    { carriers: [{ name: 'c', nat: 'symmetric' }], ...withHome({ nat: 'none', carrier: 'c' }) },
    /behind a carrier, which routes no LAN/,
  ],
  [
    'a carrier called as a host is',
    { carriers: [{ name: 'h', nat: 'symmetric' }], ...withHome({}) },
    /two nodes are called h/,
  ],
  ['hairpins without a NAT', withHome({ nat: 'none', hairpin: true }), /has no NAT, so neither/],
  [
    'mappings without a NAT',
    withHome({ nat: 'none', mappingSeconds: 9 }),
    /has no NAT, so neither/,
  ],
  ['mappings of no time', withHome({ mappingSeconds: 0 }), /mappingSeconds must be a whole number/],
  ['mappings of half a second', withHome({ mappingSeconds: 0.5 }), /must be a whole number/],
  [
    'a NAT of no known kind',
    withHome({ nat: 'masquerade' as NatKind }),
    /nat must be one of none,/,
  ],
];

function withHome(home: Partial<SiteSpec>): Topology {
  return {
    sites: [
      { name: 'fra', hosts: [] },
      { name: 'home', nat: 'full-cone', hosts: ['h'], ...home },
    ],
  };
}

function withUplink(uplink: LinkSpec): Topology {
  return { sites: [{ name: 'x', hosts: [], uplink }] };
}

for (const [what, topology, message] of refused) {
  test(`a topology with ${what} is refused`, () => {
    assert.throws(
      () => planTopology(topology),
      (error) =>
        error instanceof LabError &&
        error.code === 'invalid-topology' &&
        message.test(error.message),
    );
  });
}

test('the script of a router sets up its bridge, its uplink and its rules in one go', () => {
  const plan = planTopology(twoSites);
  const router = plan.nodes.find(({ name }) => name === 'home');
  assert.ok(router?.nat);
  assert.equal(
    renderNodeScript(plan, router, { kernelDelays: false }),
    `set -e
for setting in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >"$setting"; done
echo 1 >/proc/sys/net/ipv4/conf/all/forwarding
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects
echo 0 >/proc/sys/net/ipv4/conf/default/send_redirects
for setting in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do
  if [ -e "$setting" ]; then echo 0 >"$setting"; fi
done
ip -batch - <<'END'
link set lo up
link add lan type bridge forward_delay 0 mcast_snooping 0
link set lan address 02:00:c0:a8:02:01 mtu 1500 up
address replace 192.168.2.1/24 dev lan
neighbour replace 192.168.2.11 lladdr 02:00:c0:a8:02:0b dev lan nud permanent
link set uplink address 02:00:c6:12:02:02 mtu 1500
link set uplink up
address replace 198.18.2.2/30 dev uplink
address replace 2001:db8:0:2::2/64 dev uplink nodad
neighbour replace 198.18.2.1 lladdr 02:00:c6:12:02:01 dev uplink nud permanent
neighbour replace 2001:db8:0:2::1 lladdr 02:00:c6:12:02:01 dev uplink nud permanent
route replace 0.0.0.0/0 via 198.18.2.1 dev uplink
route replace ::/0 via 2001:db8:0:2::1 dev uplink
link set port1 master lan mtu 1500
link set port1 up
END
tc -batch - <<'END'
qdisc replace dev uplink root tbf rate 50000kbit burst 31250 latency 50ms
END
nft -f - <<'END'
${renderNatRules(router.nat, 1)}
END
echo 120 >/proc/sys/net/netfilter/nf_conntrack_udp_timeout
echo 120 >/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream
${['uplink', 'port1', 'lan']
  .map(
    (device) =>
      `while read -r state </sys/class/net/${device}/operstate; ` +
      '[ "$state" = down ] || [ "$state" = lowerlayerdown ]; ' +
      `do sleep 0.01; ip link show dev ${device} >/dev/null; done\n`,
  )
  .join('')}`,
  );
});

test('a LAN takes the smallest MTU of its links', () => {
  const plan = planTopology(twoSites);
  const router = plan.nodes.find(({ name }) => name === 'fra');
  assert.ok(router);
  assert.match(
    renderNodeScript(plan, router, { kernelDelays: false }),
    /link set lan .* mtu 1400 up/,
  );
});
