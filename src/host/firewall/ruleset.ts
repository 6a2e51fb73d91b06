import type { GatewayState } from '../../model/host-state.ts';
import { type Family, familyOf, type Prefix, parsePrefix } from '../../model/prefix.ts';

/**
 * Why packets were dropped.
 * - `spoofed`: a source that cannot come in by that interface.
 * - `outside_vpn`: a source or destination that is not the VPN's.
 * - `foreign_interface`: on its way between an interface of ours and one that is not.
 * - `not_gateway`: on its way through a node that is nobody's gateway.
 */
export const dropReasons = ['spoofed', 'outside_vpn', 'foreign_interface', 'not_gateway'] as const;
export type DropReason = (typeof dropReasons)[number];

/** Probes of a tunnel; the kernel forwards them nowhere. */
const linkLocalPrefix = parsePrefix('fe80::/10');

/** Where the kernel notes who exchanges packets through us, by family. */
export const conversationSets = { 4: 'conversations4', 6: 'conversations6' } as const;

const families = [4, 6] as const;
const headers = { 4: 'ip', 6: 'ip6' } as const;

/** How long a conversation is remembered after its last packet. */
const conversationSeconds = 5;
/** Bounds the kernel's memory, some 10 MB, whatever members send; more pairs are not noticed. */
const maxConversations = 65_535;

const chainNames = ['prerouting', 'forward', 'output'] as const;

/** What the rules are about. */
export interface Filtered {
  /** All interfaces of ours, whatever they are for. */
  readonly interfaceNames: readonly string[];
  /** Absent on a node that is nobody's gateway. */
  readonly gateway?: GatewayState | undefined;
}

export interface RulesetOptions {
  readonly tableName: string;
  /** Also throws away counters and whatever another version had put into the table. */
  readonly startOver: boolean;
}

/**
 * The input of `nft -f` that replaces our table in one step, so that there is no moment without
 * rules. No rule looks at the state of a connection: a flow must survive the change of its master.
 * Packets that neither enter nor leave by an interface of ours are left to others.
 *
 * @returns a text that removes the table when there are no interfaces
 */
export function formatRuleset(
  { interfaceNames, gateway }: Filtered,
  { tableName, startOver }: RulesetOptions,
): string {
  const table = `table inet ${tableName}`;
  const remove = [`${table} {}`, `delete ${table}`];
  if (interfaceNames.length === 0) return lines(remove);
  const ours = nameSet(interfaceNames);
  const rules = gateway ? forwardRules(ours, gateway) : memberRules(ours);
  return lines([
    ...(startOver ? remove : []),
    `${table} {`,
    ...dropReasons.map((reason) => `counter ${reason} {}`),
    ...(gateway ? families.map(conversationSet) : []),
    'chain prerouting { type filter hook prerouting priority filter; policy accept; }',
    'chain forward { type filter hook forward priority filter; policy accept; }',
    'chain output { type filter hook output priority filter; policy accept; }',
    '}',
    ...chainNames.map((name) => `flush chain inet ${tableName} ${name}`),
    `${table} {`,
    ...chain('prerouting', gateway ? sourceRules(gateway) : []),
    ...chain('forward', rules),
    ...chain('output', gateway ? redirectRules(ours) : []),
    '}',
  ]);
}

/**
 * Members of one subset share an interface of their gateway, which would tell them to talk directly
 * (RFC 792, redirect). They cannot, and the kernel's switch for it concerns all interfaces.
 */
function redirectRules(ours: string): readonly string[] {
  return [
    `oifname ${ours} icmp type redirect drop`,
    `oifname ${ours} icmpv6 type nd-redirect drop`,
  ];
}

function memberRules(ours: string): readonly string[] {
  return [`iifname ${ours} ${drop('not_gateway')}`, `oifname ${ours} ${drop('not_gateway')}`];
}

/** Before routing, so that what is meant for the gateway itself is checked as well. */
function sourceRules({ members, backbone }: GatewayState): readonly string[] {
  return [
    ...members.flatMap(({ name, sources }) =>
      unlessAmong('saddr', [...sources, linkLocalPrefix]).map(
        (match) => `iifname "${name}" ${match} ${drop('spoofed')}`,
      ),
    ),
    ...backbone.flatMap(({ name, refused }) =>
      ifAmong('saddr', refused).map((match) => `iifname "${name}" ${match} ${drop('spoofed')}`),
    ),
  ];
}

function forwardRules(ours: string, { prefixes, members }: GatewayState): readonly string[] {
  return [
    `iifname != ${ours} oifname != ${ours} accept`,
    `iifname != ${ours} ${drop('foreign_interface')}`,
    `oifname != ${ours} ${drop('foreign_interface')}`,
    ...unlessAmong('saddr', prefixes).map((match) => `${match} ${drop('outside_vpn')}`),
    ...unlessAmong('daddr', prefixes).map((match) => `${match} ${drop('outside_vpn')}`),
    // The kernel answers a packet that is too big, but those answers get lost too often.
    'tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu',
    ...conversationRules(members),
  ];
}

/**
 * Notes what has come through all other rules, from member to member. These rules have no verdict:
 * a full set only ends the rule (`NFT_BREAK` in the kernel's nft_dynset.c), and the packet goes on.
 */
function conversationRules(members: GatewayState['members']): readonly string[] {
  if (members.length === 0) return [];
  const names = nameSet(members.map(({ name }) => name));
  return families.map((family) => {
    const header = headers[family];
    const pair = `${header} saddr . ${header} daddr`;
    return `iifname ${names} oifname ${names} update @${conversationSets[family]} { ${pair} }`;
  });
}

/** Declared anew each time, which leaves what is in it. */
function conversationSet(family: Family): string {
  const type = `ipv${family}_addr`;
  return (
    `set ${conversationSets[family]} { type ${type} . ${type}; flags dynamic,timeout; ` +
    `timeout ${conversationSeconds}s; size ${maxConversations}; }`
  );
}

/** Matches for packets whose address is in none of the blocks. */
function unlessAmong(field: 'saddr' | 'daddr', prefixes: readonly Prefix[]): readonly string[] {
  return byFamily(prefixes).map(({ family, header, blocks }) =>
    blocks.length === 0
      ? `meta nfproto ipv${family}`
      : `${header} ${field} != { ${blocks.join(', ')} }`,
  );
}

/** Matches for packets whose address is in one of the blocks. */
function ifAmong(field: 'saddr' | 'daddr', prefixes: readonly Prefix[]): readonly string[] {
  return byFamily(prefixes)
    .filter(({ blocks }) => blocks.length > 0)
    .map(({ header, blocks }) => `${header} ${field} { ${blocks.join(', ')} }`);
}

function byFamily(prefixes: readonly Prefix[]) {
  return families.map((family) => ({
    family,
    header: headers[family],
    blocks: prefixes.filter((prefix) => familyOf(prefix) === family),
  }));
}

function drop(reason: DropReason): string {
  return `counter name "${reason}" drop`;
}

function chain(name: string, rules: readonly string[]): readonly string[] {
  return [`chain ${name} {`, ...rules, '}'];
}

function nameSet(names: readonly string[]): string {
  return `{ ${names.map((name) => `"${name}"`).join(', ')} }`;
}

function lines(text: readonly string[]): string {
  return `${text.join('\n')}\n`;
}
