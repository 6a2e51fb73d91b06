import type { LabMaster } from '../lab/vpn/lab-master.ts';
import type { LabMember } from '../lab/vpn/lab-member.ts';
import type { LabVpn } from '../lab/vpn/lab-vpn.ts';
import { readControlMessages } from './control-messages.ts';

export interface EvictionFigure {
  readonly member: string;
  readonly removedAfterMs: number;
  readonly acknowledged: readonly { readonly member: string; readonly afterMs: number }[];
  readonly pending: readonly string[];
  /** Control messages that each master received because of it. */
  readonly messages: readonly { readonly master: string; readonly count: number }[];
  /** Whether the evicted member, still running, reached another one afterwards. */
  readonly stillReached: boolean;
}

interface ProgressLine {
  readonly type: 'removed' | 'acknowledged' | 'finished';
  readonly member?: string;
  readonly afterMs: number;
  readonly pending?: readonly { readonly member: string }[];
}

/** Evicts a member and counts what every master heard of it. */
export async function evict(
  vpn: LabVpn,
  member: LabMember,
  other: LabMember,
): Promise<EvictionFigure> {
  const before = await countAll(vpn.masters);
  const output = await vpn.hanse(['member', 'evict', member.reference, '--json']);
  const after = await countAll(vpn.masters);
  const lines = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ProgressLine);
  const { received } = await member.node.ping(other.ipv4, { count: 3, timeoutMs: 500 });
  return {
    member: member.name,
    removedAfterMs: lines.find(({ type }) => type === 'removed')?.afterMs ?? Number.NaN,
    acknowledged: lines.flatMap(({ type, member: name, afterMs }) =>
      type === 'acknowledged' && name ? [{ member: name, afterMs }] : [],
    ),
    pending: lines.flatMap(({ pending = [] }) => pending.map(({ member: name }) => name)),
    messages: vpn.masters.map(({ name }) => ({
      master: name,
      count: (after.get(name) ?? 0) - (before.get(name) ?? 0),
    })),
    stillReached: received > 0,
  };
}

async function countAll(masters: readonly LabMaster[]): Promise<Map<string, number>> {
  const counts = await Promise.all(
    masters.map(async (master) => [master.name, await readControlMessages(master)] as const),
  );
  return new Map(counts);
}
