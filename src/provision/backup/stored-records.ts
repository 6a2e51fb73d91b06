import type { z } from 'zod';
import { InvalidInputError } from '../../model/error.ts';
import { auditRecordSchema, vpnAuditRecordSchema } from '../../model/records/audit.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import {
  actingRecordSchema,
  allocationRecordSchema,
  drainRecordSchema,
  groupKeyRecordSchema,
  keyingRecordSchema,
  masterRecordSchema,
  operatorRecordSchema,
  placementPolicyRecordSchema,
  regionIdentityRecordSchema,
  regionRecordSchema,
  sharedKeyRecordSchema,
  subsetRecordSchema,
  vpnRecordSchema,
} from '../../model/records/directory.ts';
import {
  authorityRecordSchema,
  banRecordSchema,
  failoverRecordSchema,
  inviteRecordSchema,
  inviteUseRecordSchema,
  memberRecordSchema,
  placementRecordSchema,
  restoredRecordSchema,
} from '../../model/records/roll.ts';
import type { KeyValue } from '../../store/differences.ts';

/** Of which form each record of a VPN is, by its key (`store/keys.ts`). Leases are nobody's records. */
const forms: readonly (readonly [key: RegExp, schema: z.ZodType])[] = [
  [/^directory\/vpn$/, vpnRecordSchema],
  [/^directory\/allocation$/, allocationRecordSchema],
  [/^directory\/master\/[^/]+$/, masterRecordSchema],
  [/^directory\/subset\/[^/]+$/, subsetRecordSchema],
  [/^directory\/region\/[^/]+$/, regionRecordSchema],
  [/^directory\/acting\/[^/]+$/, actingRecordSchema],
  [/^directory\/operator\/[^/]+$/, operatorRecordSchema],
  [/^directory\/drain\/[^/]+$/, drainRecordSchema],
  [/^directory\/backbone-key\/\d{12}$/, groupKeyRecordSchema],
  [/^directory\/keying$/, keyingRecordSchema],
  [/^directory\/shared-key$/, sharedKeyRecordSchema],
  [/^directory\/placement-policy$/, placementPolicyRecordSchema],
  [/^audit\/[^/]+$/, vpnAuditRecordSchema],
  [/^region\/identity$/, regionIdentityRecordSchema],
  [/^roll\/[^/]+\/restored$/, restoredRecordSchema],
  [/^roll\/[^/]+\/authority\/[^/]+$/, authorityRecordSchema],
  [/^roll\/[^/]+\/member\/[^/]+$/, memberRecordSchema],
  [/^roll\/[^/]+\/ban\/[^/]+$/, banRecordSchema],
  [/^roll\/[^/]+\/invite\/[^/]+$/, inviteRecordSchema],
  [/^roll\/[^/]+\/invite-use\/[^/]+\/\d+$/, inviteUseRecordSchema],
  [/^roll\/[^/]+\/placement\/[^/]+\/[^/]+$/, placementRecordSchema],
  [/^roll\/[^/]+\/key\/\d{12}$/, groupKeyRecordSchema],
  [/^roll\/[^/]+\/audit\/[^/]+$/, auditRecordSchema],
  [/^roll\/[^/]+\/failover\/[^/]+$/, failoverRecordSchema],
];

/** Whether a record may be under the key. */
export function isRecordKey(key: string): boolean {
  return forms.some(([pattern]) => pattern.test(key));
}

/** @throws InvalidInputError when no record of this version belongs under the key, or it is not of its form */
export function checkRecord({ key, value }: KeyValue): void {
  const form = forms.find(([pattern]) => pattern.test(key));
  if (!form) {
    throw new InvalidInputError(
      `the key "${key.slice(0, 200)}" is none that this version of Hanse knows: use the version that wrote it`,
      { key },
    );
  }
  decodeRecord(form[1], key, value);
}
