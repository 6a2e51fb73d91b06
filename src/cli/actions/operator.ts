import { parseOperatorName } from '../../model/names.ts';
import { createOperator } from '../../provision/create-operator.ts';
import { renewOperator } from '../../provision/renew-operator.ts';
import type { CommandContext } from '../command-context.ts';
import type { RootKeyOptions } from '../common-options.ts';
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
