import { type RemovalProgress, removeMember } from '../../src/api/member-endpoints.ts';
import { type MemberName, parseSubsetName } from '../../src/model/names.ts';
import { monotonicMs } from '../crowd/monotonic-ms.ts';
import type { VpnBed } from './vpn-bed.ts';

export interface EvictionOptions {
  readonly subset: string;
  readonly name: MemberName;
  /** How long to wait for acknowledgements; 10,000 unless said. */
  readonly waitMs?: number;
}

export interface Eviction {
  /** Of the key that was made for it. */
  readonly epoch: number;
  /** When the operator's request began, on the machine's monotonic clock. */
  readonly startedMs: number;
  /** Until it was durable, the peer gone and the next key sent, as the operator saw it. */
  readonly removedAfterMs: number;
  /** Until the last member had acknowledged, as the operator saw it. */
  readonly finishedAfterMs: number;
  readonly acknowledged: number;
  readonly pending: number;
}

/** Evicts as `hanse member evict` does, and times it from outside, its TLS connection included. */
export async function evict(
  bed: VpnBed,
  { subset, name, waitMs = 10_000 }: EvictionOptions,
): Promise<Eviction> {
  const startedMs = monotonicMs();
  const input = {
    params: { subset: parseSubsetName(subset), name },
    body: { kind: 'evict', waitMs },
  } as const;
  let removed: (RemovalProgress & { type: 'removed' }) | undefined;
  let removedAfterMs = 0;
  for await (const line of bed.operator.stream(removeMember, input)) {
    if (line.type === 'removed') {
      removed = line;
      removedAfterMs = monotonicMs() - startedMs;
    } else if (line.type === 'finished' && removed) {
      const { acknowledged, pendingTotal: pending } = line;
      const finishedAfterMs = monotonicMs() - startedMs;
      return {
        epoch: removed.epoch,
        startedMs,
        removedAfterMs,
        finishedAfterMs,
        acknowledged,
        pending,
      };
    }
  }
  throw new Error(`the eviction of ${name} has no end`);
}
