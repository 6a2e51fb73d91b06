import { unprovedAddresses } from '../../core/address-binding.ts';
import type { MemberName } from '../../model/names.ts';
import { type ChainBinding, readBinding } from '../../trust/chain-binding.ts';
import { TrustError } from '../../trust/trust-error.ts';
import type { MemberSession } from '../session/member-session.ts';
import type { Roll } from '../subset/roll.ts';

/** A session's chain is the same object until it changes, and is asked for again and again. */
const bindings = new WeakMap<readonly string[], ChainBinding>();

/**
 * Members whose newest certificate does not prove their addresses, so that no other one would believe
 * an introduction to them; of those that have told what certificate that is.
 */
export function unprovedMembers(
  sessions: readonly MemberSession[],
  roll: Pick<Roll, 'findActive'>,
): readonly MemberName[] {
  return sessions.flatMap(({ member: { name }, chain }) => {
    const record = roll.findActive(name);
    const certificates = chain();
    if (!record || certificates.length === 0) return [];
    return unprovedAddresses(record, bindingOf(certificates)) === undefined ? [] : [name];
  });
}

function bindingOf(chain: readonly string[]): ChainBinding {
  const known = bindings.get(chain);
  if (known) return known;
  const binding = readOrNone(chain);
  bindings.set(chain, binding);
  return binding;
}

/** Nobody has checked what a member says of its own certificate. */
function readOrNone(chain: readonly string[]): ChainBinding {
  try {
    return readBinding(chain);
  } catch (error) {
    if (error instanceof TrustError) return {};
    throw error;
  }
}
