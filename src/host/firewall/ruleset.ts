import type { GatewayState, SealedForm, SealingState } from '../../model/host-state.ts';
import {
  type Address,
  type Family,
  families,
  familyOf,
  type Prefix,
  parsePrefix,
} from '../../model/prefix.ts';
import { headers } from '../nft.ts';

/**
 * Why packets were dropped.
 * - `spoofed`: a source that cannot come in by that interface.
 * - `outside_vpn`: a source or destination that is not the VPN's.
 * - `foreign_interface`: on its way between an interface of ours and one that is not.
 * - `not_gateway`: on its way through a node that is nobody's gateway.
 * - `not_sealed`: on its way by a gateway that could read it, where members have it sealed.
 */
export const dropReasons = [
  'spoofed',
  'outside_vpn',
  'foreign_interface',
  'not_gateway',
  'not_sealed',
] as const;
export type DropReason = (typeof dropReasons)[number];

/**
 * A checksum that comes out as zero has to be sent as 0xffff over IPv6, and the kernel drops a zero (RFC
 * 8200 §8.1). wireguard-go sends the zero where it does the sum for the kernel; WireGuard itself sends
 * none without a checksum.
 */
const repairChecksum = 'udp checksum 0 udp checksum set 0xffff';

/** Probes of a tunnel; the kernel forwards them nowhere. */
const linkLocalPrefix = parsePrefix('fe80::/10');

/** Where the kernel notes who exchanges packets through us, by family. */
export const conversationSets = { 4: 'conversations4', 6: 'conversations6' } as const;
/** And who has just begun: few, however many there are. */
export const begunSets = { 4: 'begun4', 6: 'begun6' } as const;

/** How long a conversation is remembered after its last packet. */
const conversationSeconds = 5;
/** And how long it is a new one. */
const begunSeconds = 1;
/** Bounds the kernel's memory, some 10 MB, whatever members send; more pairs are not noticed. */
const maxConversations = 65_535;

const chainNames = ['prerouting', 'forward', 'output'] as const;

/** What the rules are about. */
export interface Filtered {
  /** All interfaces of ours, whatever they are for. */
  readonly interfaceNames: readonly string[];
  /** Absent on a node that is nobody's gateway. */
  readonly gateway?: GatewayState | undefined;
  /** None on a node that seals nothing. */
  readonly sealing?: readonly SealingState[] | undefined;
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
  { interfaceNames, gateway, sealing = [] }: Filtered,
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
    ...(gateway || sealing.length > 0 ? families.map(conversationSet) : []),
    ...(gateway ? families.map(begunSet) : []),
    'chain prerouting { type filter hook prerouting priority filter; policy accept; }',
    'chain forward { type filter hook forward priority filter; policy accept; }',
    'chain output { type filter hook output priority filter; policy accept; }',
    '}',
    ...chainNames.map((name) => `flush chain inet ${tableName} ${name}`),
    `${table} {`,
    ...chain('prerouting', gateway ? sourceRules(gateway) : sealing.flatMap(sealedInput)),
    ...chain('forward', rules),
    ...chain('output', gateway ? redirectRules(ours) : sealing.flatMap(sealedOutput)),
    '}',
  ]);
}

/** What comes by a gateway that could have made or read it. */
function sealedInput({ open, isRequired, ...form }: SealingState): readonly string[] {
  if (open.length === 0) return [];
  const names = nameSet(open);
  const repair = `iifname ${names} ${sealedPacket(form)} ${repairChecksum}`;
  if (!isRequired) return [repair];
  return [
    repair,
    ...[...unreadable(form), ofGateway(form, 'saddr'), `ip6 saddr ${linkLocalPrefix}`].map(
      (match) => `iifname ${names} ${match} accept`,
    ),
    `iifname ${names} ${drop('not_sealed')}`,
  ];
}

/**
 * What leaves by a gateway, and with whom: while sealing is not required yet, packets that are open
 * tell to whom a sealed tunnel is worth having, and then those that go by the sealed interface do.
 */
function sealedOutput({ sealed, open, isRequired, ...form }: SealingState): readonly string[] {
  const names = nameSet(isRequired || open.length === 0 ? [sealed] : open);
  const notes = families.map((family) => `oifname ${names} ${note(family)}`);
  if (!isRequired || open.length === 0) return notes;
  const openNames = nameSet(open);
  return [
    ...notes,
    ...[...unreadable(form), ofGateway(form, 'daddr'), `ip6 daddr ${linkLocalPrefix}`].map(
      (match) => `oifname ${openNames} ${match} accept`,
    ),
    `oifname ${openNames} ${drop('not_sealed')}`,
  ];
}

/** Packets of sealed tunnels, and what gateways have to say about them (RFC 4443 §3). */
function unreadable(form: SealedForm): readonly string[] {
  const { bit } = form;
  return [
    `${sealedPacket(form)} meta l4proto udp`,
    `${hasBit('daddr', bit)} icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }`,
  ];
}

function sealedPacket({ bit }: SealedForm): string {
  return `${hasBit('saddr', bit)} ${hasBit('daddr', bit)}`;
}

function hasBit(field: 'saddr' | 'daddr', bit: Address): string {
  return `ip6 ${field} & ${bit} == ${bit}`;
}

function ofGateway({ gatewayInterfaceId }: SealedForm, field: 'saddr' | 'daddr'): string {
  return `ip6 ${field} & ::ffff:ffff:ffff:ffff == ${gatewayInterfaceId}`;
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

function forwardRules(ours: string, gateway: GatewayState): readonly string[] {
  const { prefixes, onlySealed } = gateway;
  return [
    `iifname != ${ours} oifname != ${ours} accept`,
    `iifname != ${ours} ${drop('foreign_interface')}`,
    `oifname != ${ours} ${drop('foreign_interface')}`,
    ...unlessAmong('saddr', prefixes).map((match) => `${match} ${drop('outside_vpn')}`),
    ...unlessAmong('daddr', prefixes).map((match) => `${match} ${drop('outside_vpn')}`),
    // The kernel answers a packet that is too big, but those answers get lost too often.
    'tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu',
    ...conversationRules(gateway),
    ...(onlySealed
      ? [...unreadable(onlySealed), ofGateway(onlySealed, 'saddr'), ofGateway(onlySealed, 'daddr')]
          .map((match) => `${match} accept`)
          .concat(drop('not_sealed'))
      : []),
  ];
}

/**
 * Notes what has come through all other rules, from member to member. These rules have no verdict:
 * a full set only ends the rule (`NFT_BREAK` in the kernel's nft_dynset.c), and the packet goes on.
 */
function conversationRules({ members, backbone, notesDistant }: GatewayState): readonly string[] {
  if (members.length === 0) return [];
  const from = nameSet(members.map(({ name }) => name));
  const to = nameSet([...members, ...(notesDistant ? backbone : [])].map(({ name }) => name));
  return families.flatMap((family) =>
    [noteBegun(family), note(family)].map((rule) => `iifname ${from} oifname ${to} ${rule}`),
  );
}

function note(family: Family): string {
  return `update @${conversationSets[family]} { ${pairOf(family)} }`;
}

/** To come before `note`, after which nobody is new. */
function noteBegun(family: Family): string {
  const pair = pairOf(family);
  return `${pair} != @${conversationSets[family]} add @${begunSets[family]} { ${pair} }`;
}

function pairOf(family: Family): string {
  const header = headers[family];
  return `${header} saddr . ${header} daddr`;
}

function conversationSet(family: Family): string {
  return pairSet(conversationSets[family], family, conversationSeconds);
}

function begunSet(family: Family): string {
  return pairSet(begunSets[family], family, begunSeconds);
}

/** Declared anew each time, which leaves what is in it. */
function pairSet(name: string, family: Family, seconds: number): string {
  const type = `ipv${family}_addr`;
  return (
    `set ${name} { type ${type} . ${type}; flags dynamic,timeout; ` +
    `timeout ${seconds}s; size ${maxConversations}; }`
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
