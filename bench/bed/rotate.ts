import { rotateKey } from '../../src/api/key-endpoints.ts';
import { parseSubsetName } from '../../src/model/names.ts';
import { monotonicMs } from '../crowd/monotonic-ms.ts';
import type { VpnBed } from './vpn-bed.ts';

export interface Rotation {
  /** Until the key was durable and sent, as the operator saw it. */
  readonly rotatedAfterMs: number;
  /** Until the last member had acknowledged, as the operator saw it. */
  readonly finishedAfterMs: number;
  readonly acknowledged: number;
  readonly pending: number;
}

const waitMs = 10_000;

/** Rotates as `hanse key rotate` does, and times it from outside, its TLS connection included. */
export async function rotate(bed: VpnBed, subset: string): Promise<Rotation> {
  const startedMs = monotonicMs();
  const input = { params: { subset: parseSubsetName(subset) }, body: { waitMs } };
  let rotatedAfterMs = 0;
  for await (const line of bed.operator.stream(rotateKey, input)) {
    if (line.type === 'rotated') rotatedAfterMs = monotonicMs() - startedMs;
    if (line.type !== 'finished') continue;
    const { acknowledged, pendingTotal: pending } = line;
    const finishedAfterMs = monotonicMs() - startedMs;
    return { rotatedAfterMs, finishedAfterMs, acknowledged, pending };
  }
  throw new Error(`the rotation of ${subset} has no end`);
}
