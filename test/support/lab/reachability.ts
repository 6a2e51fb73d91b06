import type { LabMember } from '../../../lab/vpn/lab-member.ts';

/** How many lost packets prove silence: an answer takes a millisecond, on the busiest machine less than a second. */
const attempts = 3;
const answerTimeoutMs = 1_000;

/** Whether echo requests are answered. The first may be lost while WireGuard shakes hands. */
export async function reaches(from: LabMember, address: string): Promise<boolean> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const { received } = await from.node.ping(address, { timeoutMs: answerTimeoutMs });
    if (received > 0) return true;
  }
  return false;
}

/** Every two, once. */
export function pairsOf<T>(items: readonly T[]): readonly (readonly [T, T])[] {
  return items.flatMap((first, index) =>
    items.slice(index + 1).map((second) => [first, second] as const),
  );
}
