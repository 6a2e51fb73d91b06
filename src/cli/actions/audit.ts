import { listAudit } from '../../api/endpoints.ts';
import type { AuditRecord } from '../../model/records.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import { asOperator } from '../operator-session.ts';
import { formatTime } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { type Column, formatTable } from '../output/table.ts';

export interface AuditOptions extends OperatorOptions, ListingOptions {
  readonly subset: string;
  readonly limit: number;
}

export function auditAction(
  options: AuditOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const { subset, limit } = options;
    const reply = await client.call(
      listAudit,
      { params: { subset }, query: { limit } },
      { signal },
    );
    if (options.json) writeJson(terminal.out, reply);
    else terminal.out.write(formatTable(auditColumns, reply.entries));
    return undefined;
  });
}

const auditColumns: readonly Column<AuditRecord>[] = [
  { heading: 'TIME', cell: ({ atMs }) => formatTime(atMs) },
  { heading: 'CHANGE', cell: ({ action }) => action },
  { heading: 'SUBJECT', cell: ({ subject }) => subject },
  { heading: 'BY', cell: ({ actor }) => actor },
  { heading: 'MASTER', cell: ({ master }) => master },
  { heading: 'EPOCH', cell: ({ epoch }) => String(epoch), align: 'right' },
];
