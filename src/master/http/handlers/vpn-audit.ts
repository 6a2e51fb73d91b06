import { randomUUID } from 'node:crypto';
import type { VpnAuditAction, VpnAuditRecord } from '../../../model/records/audit.ts';
import { encodeRecord } from '../../../model/records/codec.ts';
import { vpnAuditKey } from '../../../store/keys.ts';
import type { Operation } from '../../../store/store.ts';

export interface VpnAuditEntry extends Omit<VpnAuditRecord, 'version'> {
  readonly action: VpnAuditAction;
}

/** Writes into the VPN's audit log who changed what; for the transaction that changes it. */
export function putVpnAudit(entry: VpnAuditEntry): Operation {
  const record: VpnAuditRecord = { version: 1, ...entry };
  const key = vpnAuditKey(entry.atMs, randomUUID().slice(0, 8));
  return { put: key, value: encodeRecord(record) };
}
