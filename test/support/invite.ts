import { createInvite } from '../../src/api/invite-endpoints.ts';
import { parseMemberName, parseSubsetName } from '../../src/model/names.ts';
import type { MasterBed } from './master-bed.ts';

/** A token with which nodes join the subset, made by the operator over the API. */
export async function invite(
  bed: MasterBed,
  subset: string,
  options: { readonly uses?: number; readonly memberName?: string } = {},
): Promise<{ readonly id: string; readonly token: string }> {
  const operator = await bed.operator();
  const { uses = 1, memberName } = options;
  return operator.call(createInvite, {
    params: { subset: parseSubsetName(subset) },
    body: { uses, ...(memberName ? { memberName: parseMemberName(memberName) } : {}) },
  });
}
