import type { SubsetName } from '../model/names.ts';
import type { ControlContact } from '../trust/invite-token.ts';
import type { Directory } from './directory/directory.ts';
import { MasterError } from './master-error.ts';

/** Where a newcomer may ask: the acting master first. @throws MasterError `not-acting` before the directory has it */
export function controlContacts(
  subset: SubsetName,
  directory: Directory,
): readonly [ControlContact, ...ControlContact[]] {
  const record = directory.subsets.get(subset)?.record;
  const acting = directory.actingNow(subset);
  const serving = record ? [record.acting, ...record.backups] : [];
  const inOrder = [...new Set([...(acting ? [acting] : []), ...serving])];
  const [first, ...others] = inOrder.flatMap((name) => {
    const known = directory.masters.get(name);
    return known ? [{ master: name, endpoint: known.record.control }] : [];
  });
  if (first) return [first, ...others];
  throw new MasterError(`the directory has no valid record of a master of ${subset}`, {
    code: 'not-acting',
    fields: { subset },
    retryable: true,
  });
}
