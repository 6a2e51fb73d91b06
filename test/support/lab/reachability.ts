import type { LabMember } from '../../../lab/vpn/lab-member.ts';

const attempts = 3;
/** An answer takes a millisecond, on the busiest machine less than a second. */
const answerTimeoutMs = 1_000;
/** Lost packets that prove silence. */
const silentPackets = 5;

/** Whether an echo request is answered. The first may be lost while WireGuard shakes hands. */
export async function reaches(from: LabMember, address: string): Promise<boolean> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const { received } = await from.node.ping(address, { timeoutMs: answerTimeoutMs });
    if (received > 0) return true;
  }
  return false;
}

/** Whether no echo request is answered. */
export async function isCutOff(from: LabMember, address: string): Promise<boolean> {
  const options = { count: silentPackets, timeoutMs: answerTimeoutMs };
  const { received } = await from.node.ping(address, options);
  return received === 0;
}

/** Every two, once. */
export function pairsOf<T>(items: readonly T[]): readonly (readonly [T, T])[] {
  return items.flatMap((first, index) =>
    items.slice(index + 1).map((second) => [first, second] as const),
  );
}
