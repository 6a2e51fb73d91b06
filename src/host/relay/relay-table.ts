import { type Address, type Family, families } from '../../model/prefix.ts';
import { ownerMark } from '../interface-name.ts';
import { headers } from '../nft.ts';
import { directionsOf, type RelayedPair } from './relayed-pair.ts';
import { messageTypes, minDatagramBytes } from './wireguard-datagram.ts';

/** A pair as the kernel carries it: both ends have addresses of one family. */
export interface KernelPair extends RelayedPair {
  readonly family: Family;
  /** Ours, from which each end is sent to. */
  readonly sources: { readonly first: Address; readonly second: Address };
}

/** An interface that forwards because of us, and so must forward nothing else. */
export interface GuardedInterface {
  readonly name: string;
  readonly family: Family;
}

export interface TableContents {
  readonly tableName: string;
  /** Bounds what is learnt. */
  readonly ports: number;
  readonly pairs: Iterable<KernelPair>;
  readonly guarded: Iterable<GuardedInterface>;
}

/** By family; what is sent to whom from which of our addresses, with a counter for each direction. */
export const sourceMaps = { 4: 'source4', 6: 'source6' } as const;
export const guardedSets = { 4: 'guarded4', 6: 'guarded6' } as const;

/** As long as a session of WireGuard's lives without a handshake (WireGuard, §6.1). */
const learntSeconds = 180;
/** How long datagrams from a port that is not the learnt one any more can be overlooked. */
const currentSeconds = 2;
/** Of each port of ours. A NAT gives a flow another port once in a while, not ten times a second. */
const learningsPerSecond = 10;
/** After it nobody remembers how many there were. */
const learningSeconds = 10;
/** With the usual burst of 5, and those that have expired and are not yet collected. */
const entriesPerPort = 32;
const udpHeaderBytes = 8;

/** @param owner see `ownerMark` */
export function relayTableName(owner: string): string {
  return `${ownerMark(owner).tableName}_relay`;
}

/**
 * The input of `nft -f` that makes the table anew, with everything in it.
 *
 * A datagram has its destination and both ports rewritten before it is routed, and its source after,
 * since what comes in with an address of ours is refused as forged. Nothing is tracked, so no NAT of
 * this machine and no state of its filters concerns it.
 *
 * From which port an end was heard is learnt in the packet path: `learnt` says where to send,
 * `current` what needs no learning, `fresh` of which ends nothing is known yet. There, an element of a
 * map cannot be changed, only deleted and added, and no two fields can be compared. So what keeps an
 * entry of `current` alive is what is sent to the end, which goes to the learnt port alone.
 */
export function formatTable({ tableName, ports, pairs, guarded }: TableContents): string {
  const learnt = (seconds: number, entries: number): string =>
    `flags dynamic,timeout; timeout ${seconds}s; size ${entries};`;
  return lines([
    ...removeTable(tableName),
    `table inet ${tableName} {`,
    'map far_port { type inet_service : inet_service; }',
    `set fresh { type inet_service; flags dynamic; size ${ports}; }`,
    `map learnt { type inet_service : inet_service; ${learnt(learntSeconds, ports * entriesPerPort)} }`,
    `set current { type inet_service . inet_service; ${learnt(currentSeconds, ports * entriesPerPort)} }`,
    `set learning { type inet_service; ${learnt(learningSeconds, ports)} }`,
    ...families.flatMap(setsOf),
    ...chainOf('learn', learnRules),
    ...families.flatMap((family) => chainOf(`relay${family}`, relayRules(family))),
    ...chainOf('prerouting', [
      'type filter hook prerouting priority raw; policy accept;',
      ...families.map(entryRule),
    ]),
    ...chainOf('forward', [
      // After others, so that they see from whom it comes.
      'type filter hook forward priority filter + 10; policy accept;',
      ...families.map(sourceRule),
      ...families.map(guardRule),
    ]),
    '}',
    ...[...guarded].map((entry) => formatGuard('add', tableName, entry)),
    ...[...pairs].flatMap((pair) => formatOpening(tableName, pair)),
  ]);
}

/** The input of `nft -f` that removes the table, whether there is one or not. */
export function formatRemoval(tableName: string): string {
  return lines(removeTable(tableName));
}

/** Lines for `nft -f`; what they cost does not depend on how many pairs there are. */
export function formatOpening(tableName: string, pair: KernelPair): readonly string[] {
  return [
    ...formatPair('add', tableName, pair),
    // Whatever was learnt of another pair with these ports.
    element('add', tableName, 'fresh', `${pair.first.port}, ${pair.second.port}`),
  ];
}

/** As `formatOpening`. What was learnt is left to its time. */
export function formatClosing(tableName: string, pair: KernelPair): readonly string[] {
  return formatPair('delete', tableName, pair);
}

function formatPair(
  verb: 'add' | 'delete',
  tableName: string,
  pair: KernelPair,
): readonly string[] {
  const { family, first, sources } = pair;
  return directionsOf(pair).flatMap(({ from, to }) => {
    const source = to === first ? sources.first : sources.second;
    return [
      element(verb, tableName, `sender${family}`, `${from.port} . ${from.address}`),
      element(verb, tableName, 'far_port', `${from.port} : ${to.port}`),
      element(verb, tableName, `far_address${family}`, `${from.port} : ${to.address}`),
      element(verb, tableName, sourceMaps[family], `${to.port} . ${from.address} : ${source}`),
    ];
  });
}

export function formatGuard(
  verb: 'add' | 'delete',
  tableName: string,
  { name, family }: GuardedInterface,
): string {
  return element(verb, tableName, guardedSets[family], `"${name}"`);
}

function element(verb: string, tableName: string, set: string, entry: string): string {
  return `${verb} element inet ${tableName} ${set} { ${entry} }`;
}

function setsOf(family: Family): readonly string[] {
  const address = `ipv${family}_addr`;
  return [
    `set sender${family} { type inet_service . ${address}; }`,
    `map far_address${family} { type inet_service : ${address}; }`,
    `map ${sourceMaps[family]} { type inet_service . ${address} : ${address}; counter; }`,
    `set ${guardedSets[family]} { type ifname; }`,
  ];
}

/** All else is for whoever else has these ports, or nobody. */
function entryRule(family: Family): string {
  const sender = `udp dport . ${headers[family]} saddr @sender${family}`;
  return `${sender} fib daddr type local goto relay${family}`;
}

function relayRules(family: Family): readonly string[] {
  const header = headers[family];
  const types = messageTypes.map((type) => `0x0${type}000000`).join(', ');
  return [
    'notrack',
    `udp length < ${udpHeaderBytes + minDatagramBytes} drop`,
    `@th,${8 * udpHeaderBytes},32 != { ${types} } drop`,
    'udp dport @fresh jump learn',
    'udp dport . udp sport != @current jump learn',
    'update @learnt { udp dport : udp sport }',
    [
      `${header} daddr set udp dport map @far_address${family}`,
      'udp sport set udp dport map @far_port',
      'udp sport != @fresh',
      'udp dport set udp sport map @learnt',
      'update @current { udp sport . udp dport } accept',
    ].join(' '),
    'drop',
  ];
}

const learnRules: readonly string[] = [
  `update @learning { udp dport limit rate over ${learningsPerSecond}/second } drop`,
  'delete @learnt { udp dport : udp sport }',
  'update @current { udp dport . udp sport }',
  'delete @fresh { udp dport }',
];

function sourceRule(family: Family): string {
  const header = headers[family];
  return `${header} saddr set udp sport . ${header} saddr map @${sourceMaps[family]} accept`;
}

function guardRule(family: Family): string {
  return `meta nfproto ipv${family} iifname @${guardedSets[family]} drop`;
}

function removeTable(tableName: string): readonly string[] {
  // Naming a table makes it, so that deleting it cannot fail.
  return [`table inet ${tableName} {}`, `delete table inet ${tableName}`];
}

function chainOf(name: string, rules: readonly string[]): readonly string[] {
  return [`chain ${name} {`, ...rules, '}'];
}

function lines(text: readonly string[]): string {
  return `${text.join('\n')}\n`;
}
