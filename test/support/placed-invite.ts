import { randomUUID } from 'node:crypto';
import { createPlacedInvite } from '../../src/api/placing-endpoints.ts';
import { parseSubsetName } from '../../src/model/names.ts';
import type { MasterBed } from './master-bed.ts';

/** A token that leads to the best of several subsets, the first of which is its home. */
export async function placedInvite(
  bed: MasterBed,
  subsets: readonly string[],
  options: { readonly uses?: number } = {},
): Promise<{ readonly id: string; readonly token: string }> {
  const operator = await bed.operator();
  const { uses = 1 } = options;
  const candidates = subsets.map(parseSubsetName);
  const [home] = candidates;
  if (!home) throw new Error('an invite has at least one subset');
  const body = { id: randomUUID(), uses, home, candidates };
  for (const subset of candidates.toReversed()) {
    const { token } = await operator.call(createPlacedInvite, { params: { subset }, body });
    if (token !== undefined) return { id: body.id, token };
  }
  throw new Error(`${home} gave no token`);
}
