import { readFileSync } from 'node:fs';
import { StoreError } from '../store-error.ts';

/**
 * Time for leases: shared by all processes of one boot, never set, never stepping back. It starts
 * anew with each boot, so a reading means something only together with its `bootId`.
 */
export interface BootClock {
  readonly bootId: string;
  nowMs(): number;
}

const bootIdPath = '/proc/sys/kernel/random/boot_id';

/** The kernel's CLOCK_MONOTONIC, which is what `process.hrtime` reads on Linux. */
export function openSystemBootClock(): BootClock {
  return {
    bootId: readBootId(),
    nowMs: () => Number(process.hrtime.bigint() / 1_000_000n),
  };
}

function readBootId(): string {
  try {
    return readFileSync(bootIdPath, 'utf8').trim();
  } catch (error) {
    throw new StoreError(`leases need ${bootIdPath}, which Linux provides; it cannot be read`, {
      code: 'unavailable',
      fields: { operation: 'open' },
      cause: error,
    });
  }
}
