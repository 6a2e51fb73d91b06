import { getUnboundMasters } from '../api/key-endpoints.ts';
import { explainStanding } from '../core/unbound-masters.ts';
import { describeError, HanseError } from '../model/error.ts';
import { Deadline } from '../runtime/deadline.ts';
import type { OperatorOptions } from './common-options.ts';
import { asOperator } from './operator-session.ts';

/** What masters say of how far their certificates bind addresses, or why nobody said anything. */
export type AddressProofs =
  | Awaited<ReturnType<typeof askUnboundMasters>>
  | { readonly error: string };

/** People look at a VPN also when no master runs, and do not want to wait for it. */
const askTimeoutMs = 5_000;

/** Whether members can prove their addresses. An error of this program's own is thrown on. */
export async function askAddressProofs(
  options: OperatorOptions,
  signal: AbortSignal,
): Promise<AddressProofs> {
  using deadline = new Deadline(askTimeoutMs, signal);
  try {
    return await askUnboundMasters(options, deadline.signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof HanseError || deadline.signal.aborted) {
      return { error: describeError(error) };
    }
    throw error;
  }
}

export function describeAddressProofs(proofs: AddressProofs): string {
  if ('error' in proofs) return `not known, because no master has told: ${proofs.error}`;
  const { unbound, unknown } = proofs;
  if (unknown.length === 0) return explainStanding(unbound);
  const rest = `not known of ${unknown.join(', ')}, because no master that acts for them has told`;
  return unbound.length === 0 ? rest : `${explainStanding(unbound)}; ${rest}`;
}

function askUnboundMasters(options: OperatorOptions, signal: AbortSignal) {
  return asOperator(options, (client) => client.call(getUnboundMasters, {}, { signal }));
}
