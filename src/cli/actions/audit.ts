import { listAudit, listVpnAudit } from '../../api/audit-endpoints.ts';
import type { AuditRecord, VpnAuditRecord } from '../../model/records/audit.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import { asOperator } from '../operator-session.ts';
import { formatTime } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { type Column, formatTable } from '../output/table.ts';

export interface AuditOptions extends OperatorOptions, ListingOptions {
  /** The VPN's own log where none is named. */
  readonly subset?: string;
  readonly limit: number;
}

export function auditAction(
  options: AuditOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const { subset, limit } = options;
    const query = { limit };
    if (subset === undefined) {
      const reply = await client.call(listVpnAudit, { query }, { signal });
      if (options.json) writeJson(terminal.out, reply);
      else terminal.out.write(formatTable(vpnColumns, reply.entries));
    } else {
      const reply = await client.call(listAudit, { params: { subset }, query }, { signal });
      if (options.json) writeJson(terminal.out, reply);
      else terminal.out.write(formatTable(auditColumns, reply.entries));
    }
    return undefined;
  });
}

/** Enough of a digest to tell one text from another. */
const shownDigits = 12;

/** A policy is told by its digest, all else by its name. */
function shownSubject({ action, subject }: VpnAuditRecord): string {
  return action.startsWith('placement-policy-')
    ? `sha256:${subject.slice(0, shownDigits)}`
    : subject;
}

const vpnColumns: readonly Column<VpnAuditRecord>[] = [
  { heading: 'TIME', cell: ({ atMs }) => formatTime(atMs) },
  { heading: 'CHANGE', cell: ({ action }) => action },
  { heading: 'SUBJECT', cell: shownSubject },
  { heading: 'BY', cell: ({ actor }) => actor },
  { heading: 'MASTER', cell: ({ master }) => master },
];

const auditColumns: readonly Column<AuditRecord>[] = [
  { heading: 'TIME', cell: ({ atMs }) => formatTime(atMs) },
  { heading: 'CHANGE', cell: ({ action }) => action },
  { heading: 'SUBJECT', cell: ({ subject }) => subject },
  { heading: 'BY', cell: ({ actor }) => actor },
  { heading: 'MASTER', cell: ({ master }) => master },
  { heading: 'EPOCH', cell: ({ epoch }) => String(epoch), align: 'right' },
];
