import { listOperators, type OperatorView, revokeOperator } from '../../api/operator-endpoints.ts';
import { parseOperatorName } from '../../model/names.ts';
import { createOperator } from '../../provision/create-operator.ts';
import { renewOperator } from '../../provision/renew-operator.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions, RootKeyOptions } from '../common-options.ts';
import { asOperator } from '../operator-session.ts';
import { formatRelative } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { type Column, formatTable } from '../output/table.ts';
import { rootKeyPathOf, withProvisioning } from '../provisioning.ts';

export async function createOperatorAction(
  name: string,
  options: RootKeyOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  const operator = parseOperatorName(name);
  const path = await withProvisioning(options, 'existing', (dependencies) =>
    createOperator(operator, rootKeyPathOf(options), dependencies),
  );
  terminal.out.write(`${path}\n`);
  terminal.err.write(
    `Copy it to ~/.config/hanse on ${name}'s machine, then remove it here; it holds a private key.\n`,
  );
}

export async function renewOperatorAction(
  name: string,
  options: RootKeyOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  const operator = parseOperatorName(name);
  const path = await withProvisioning(options, 'existing', (dependencies) =>
    renewOperator(operator, rootKeyPathOf(options), dependencies),
  );
  terminal.out.write(`${path}\n`);
  terminal.err.write(`Copy its operator.pem to where ${name} keeps the profile.\n`);
}

export function listOperatorsAction(
  options: OperatorOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const reply = await client.call(listOperators, {}, { signal });
    if (options.json) writeJson(terminal.out, reply);
    else terminal.out.write(formatTable(operatorColumns(Date.now()), reply.operators));
    return undefined;
  });
}

export function revokeOperatorAction(
  name: string,
  options: OperatorOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const operator = parseOperatorName(name);
  return asOperator(options, async (client) => {
    const revoked = await client.call(revokeOperator, { params: { operator } }, { signal });
    if (options.json) writeJson(terminal.out, revoked);
    else
      terminal.err.write(`operator ${name} is revoked: no master takes its certificate any more\n`);
    return undefined;
  });
}

function operatorColumns(nowMs: number): readonly Column<OperatorView>[] {
  return [
    { heading: 'OPERATOR', cell: ({ name }) => name },
    { heading: 'CREATED', cell: ({ createdAtMs }) => formatRelative(createdAtMs, nowMs) },
    {
      heading: 'CERTIFICATE ENDS',
      cell: ({ certificateEndsAtMs }) => formatRelative(certificateEndsAtMs, nowMs),
    },
    { heading: 'STATE', cell: (operator) => describeState(operator, nowMs) },
  ];
}

function describeState({ revoked, certificateEndsAtMs }: OperatorView, nowMs: number): string {
  if (revoked) return `revoked ${formatRelative(revoked.atMs, nowMs)} by ${revoked.by}`;
  return certificateEndsAtMs < nowMs ? 'expired' : 'active';
}
