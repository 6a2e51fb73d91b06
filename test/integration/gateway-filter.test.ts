import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabNode } from '../../lab/lab-node.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { readFigure } from '../support/lab/master-figures.ts';
import { reaches } from '../support/lab/reachability.ts';
import { vpnInterface } from '../support/lab/vpn-interface.ts';
import { until } from '../support/until.ts';

const topology = {
  sites: [
    { name: 'north-net', hosts: ['north-1', 'n1', 'n2'] },
    { name: 'south-net', hosts: ['south-1', 's1'] },
    { name: 'elsewhere', hosts: ['stranger'] },
  ],
};
const masters = [
  { host: 'north-1', subset: 'north' },
  { host: 'south-1', subset: 'south' },
];
const sentPackets = 5;

describe('a gateway', { timeout: 300_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let n1: LabMember;
  let n2: LabMember;
  let s1: LabMember;
  /** By north's gateway. */
  const dropped = (rule: string): Promise<number> =>
    readFigure(vpn.master('north-1'), 'hanse_gateway_dropped_packets', { rule });
  /** Packets that get no answer, from one of the member's addresses. */
  const sendFrom = async (member: LabMember, source: string, destination: string) => {
    const line = ['ping', '-n', '-c', String(sentPackets), '-i', '0.05', '-W', '0.5'];
    const command = [...line, '-I', source, destination].join(' ');
    const { stdout } = await member.node.run('sh', ['-c', `${command} || true`]);
    assert.match(stdout, / 0 received/, `${member.name} got an answer as ${source}`);
  };
  /** The same, and each is counted; the last may still be on its way when `ping` waits no more. */
  const sendInVain = async (rule: string, ...packets: Parameters<typeof sendFrom>) => {
    const expected = (await dropped(rule)) + sentPackets;
    await sendFrom(...packets);
    await until(`${sentPackets} more packets dropped as ${rule}`, async () => {
      return (await dropped(rule)) >= expected;
    });
  };

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, { name: 'corp', masters });
    await vpn.startMasters();
    [n1, n2, s1] = await Promise.all([
      vpn.join('n1', 'north'),
      vpn.join('n2', 'north'),
      vpn.join('s1', 'south'),
    ]);
    assert.ok((await reaches(n1, s1.ipv4)) && (await reaches(n2, s1.ipv6)));
  });
  after(async () => lab?.[Symbol.asyncDispose]());

  for (const family of ['ipv4', 'ipv6'] as const) {
    it(`lets no member send as another one of its subset over ${family}`, async () => {
      await withAddress(n1, n2[family], async () => {
        // WireGuard itself drops what does not come from the peer that owns the address.
        const before = await seenFrom(s1.node, n2[family]);
        await sendFrom(n1, n2[family], s1[family]);
        assert.equal(await seenFrom(s1.node, n2[family]), before, 'nothing arrives');
      });
      assert.ok(await reaches(n2, s1[family]), 'the rightful owner is not disturbed');
    });
  }

  it('counts and drops packets of a member that come from no address of the VPN', async () => {
    await withPeerAccepting(vpn, n1, '10.9.9.9/32', () =>
      withAddress(n1, '10.9.9.9', () => sendInVain('spoofed', n1, '10.9.9.9', s1.ipv4)),
    );
  });

  it('counts and drops packets of a member that come from another subset', async () => {
    const foreign = `${s1.ipv4.slice(0, s1.ipv4.lastIndexOf('.'))}.99`;
    await withPeerAccepting(vpn, n1, `${foreign}/32`, () =>
      withAddress(n1, foreign, () => sendInVain('spoofed', n1, foreign, s1.ipv4)),
    );
  });

  it('lets nothing out of the VPN', async () => {
    const outside = lab.node('stranger').address('ipv4');
    const device = await vpnInterface(n1.node);
    // The member sends it into its tunnel, whatever its configuration said.
    await n1.node.run('sh', ['-c', acceptAnything], { input: device });
    await n1.node.run('ip', ['route', 'add', `${outside}/32`, 'dev', device, 'src', n1.ipv4]);
    await sendInVain('foreign_interface', n1, n1.ipv4, outside);
    await n1.node.run('ip', ['route', 'del', `${outside}/32`, 'dev', device]);
  });

  it('lets nothing into the VPN from the network that it is in', async () => {
    const stranger = lab.node('stranger');
    const gateway = lab.node('north-1').address('ipv4');
    const source = stranger.address('ipv4');
    await Promise.all([seenFrom(lab.node('north-1'), source), seenFrom(n1.node, source)]);
    // Routers that carry it as far as the master.
    const route = ['route', 'add', '100.64.0.0/10', 'via'];
    await lab.core.run('ip', [...route, lab.node('north-net').address('ipv4')]);
    await lab.node('north-net').run('ip', [...route, gateway]);
    const { received } = await stranger.ping(n1.ipv4, { count: sentPackets, timeoutMs: 500 });
    assert.equal(received, 0);
    assert.equal(await seenFrom(lab.node('north-1'), source), sentPackets, 'the master saw them');
    assert.equal(await seenFrom(n1.node, source), 0, 'the member did not');
  });

  it('sends nothing over the underlay but WireGuard, TLS and what it measures by', async () => {
    await lab.core.run('nft', ['-f', '-'], { input: underlayCounters });
    const marker = 'ff'.repeat(16);
    await Promise.all(
      [s1.ipv4, s1.ipv6].map((address) =>
        n1.node.run('ping', ['-n', '-c', '20', '-i', '0.01', '-p', marker, address]),
      ),
    );
    const { stdout } = await lab.core.run('nft', ['-j', 'list', 'counters']);
    const counters = new Map(
      (
        JSON.parse(stdout) as { nftables: { counter?: { name: string; packets: number } }[] }
      ).nftables.flatMap(({ counter }) =>
        counter ? [[counter.name, counter.packets] as const] : [],
      ),
    );
    assert.equal(counters.get('inside'), 0, 'no packet of the VPN was seen');
    assert.equal(
      counters.get('plain'),
      0,
      'and nothing that is no tunnel, no TLS and no measurement',
    );
    assert.ok((counters.get('wireguard') ?? 0) >= 80, 'but what carried them');
  });
});

/** Makes the only peer of the interface named on standard input the way to everywhere. */
const acceptAnything =
  'read -r d; wg set "$d" peer "$(wg show "$d" peers)" allowed-ips 0.0.0.0/0,::/0';

/** What passes the router between the sites. */
const underlayCounters = `table inet underlay {
  counter inside {}
  counter wireguard {}
  counter plain {}
  chain forward {
    type filter hook forward priority filter
    ip saddr 100.64.0.0/10 counter name inside
    ip daddr 100.64.0.0/10 counter name inside
    ip6 saddr fc00::/7 counter name inside
    ip6 daddr fc00::/7 counter name inside
    udp dport 51820-56000 counter name wireguard accept
    udp sport 51820-56000 counter name wireguard accept
    tcp dport 8443 accept
    tcp sport 8443 accept
    udp dport 3478 accept
    udp sport 3478 accept
    icmp type time-exceeded accept
    icmpv6 type time-exceeded accept
    counter name plain
  }
}
`;

/** Gives the member a further address on its tunnel, and a peer that takes anything, as a thief would. */
async function withAddress<T>(
  member: LabMember,
  address: string,
  action: () => Promise<T>,
): Promise<T> {
  const device = await vpnInterface(member.node);
  const prefix = address.includes(':') ? `${address}/128` : `${address}/32`;
  await member.node.run('ip', [
    'addr',
    'add',
    prefix,
    'dev',
    device,
    ...(address.includes(':') ? ['nodad'] : []),
  ]);
  try {
    return await action();
  } finally {
    await member.node.run('ip', ['addr', 'del', prefix, 'dev', device]);
  }
}

/**
 * Lets the master's WireGuard take packets of the source from the member: as if its peers had been
 * configured wrongly, so that only the filter is left.
 */
async function withPeerAccepting<T>(
  vpn: LabVpn,
  member: LabMember,
  source: string,
  action: () => Promise<T>,
): Promise<T> {
  const { node } = vpn.master(`${member.subset}-1`);
  const device = await vpnInterface(node, member.ipv4);
  const key = (
    await member.node.run('wg', ['show', await vpnInterface(member.node), 'public-key'])
  ).stdout.trim();
  // All of them, that of its probes as well, or the member would believe that UDP is blocked.
  const { stdout } = await node.run('wg', ['show', device, 'allowed-ips']);
  const line = stdout.split('\n').find((each) => each.startsWith(key));
  const own = line?.slice(key.length).trim().split(' ') ?? [];
  assert.ok(own.includes(`${member.ipv4}/32`), stdout);
  const set = (allowed: readonly string[]) =>
    node.run('wg', ['set', device, 'peer', key, 'allowed-ips', allowed.join(',')]);
  await set([...own, source]);
  try {
    return await action();
  } finally {
    await set(own);
  }
}

/** Packets that a node has seen from an address, by a counter that the first call makes. */
async function seenFrom(node: LabNode, source: string): Promise<number> {
  const header = source.includes(':') ? 'ip6' : 'ip';
  const name = `from_${source.replaceAll(/[.:]/g, '_')}`;
  const table = 'table inet seen';
  const known = await node
    .run('nft', ['-j', 'list', 'counter', 'inet', 'seen', name])
    .catch(() => undefined);
  if (known) {
    const { nftables } = JSON.parse(known.stdout) as {
      nftables: { counter?: { packets: number } }[];
    };
    return nftables.find(({ counter }) => counter)?.counter?.packets ?? 0;
  }
  await node.run('nft', ['-f', '-'], {
    input: `${table} {
  counter ${name} {}
  chain ${name}_in { type filter hook prerouting priority filter; ${header} saddr ${source} counter name ${name}; }
}
`,
  });
  return 0;
}
