import { resolve } from 'node:path';
import { type Finding, type HostRole, inspectHost } from '../../host/doctor.ts';
import { createRunner } from '../../host/runner.ts';
import type { CommandContext } from '../command-context.ts';
import type { DirectoryOptions, ListingOptions } from '../common-options.ts';
import type { ExitCode } from '../exit-code.ts';
import { writeJson } from '../output/json.ts';
import { printable } from '../output/table.ts';
import { type Output, paint, type Style } from '../terminal.ts';

export interface DoctorOptions extends DirectoryOptions, ListingOptions {
  readonly role: HostRole;
}

/** Exits with 1 when something is missing without which the role cannot work. */
export async function doctorAction(
  { role, dir, json }: DoctorOptions,
  { terminal }: CommandContext,
): Promise<ExitCode> {
  const findings = await inspectHost(
    { role, dataDirectory: resolve(dir) },
    { runner: createRunner(), nowMs: Date.now() },
  );
  if (json) writeJson(terminal.out, { role, findings });
  else terminal.out.write(formatFindings(findings, terminal.out));
  return findings.some(({ status }) => status === 'missing') ? 1 : 0;
}

const styles: Readonly<Record<Finding['status'], Style>> = {
  ok: 'green',
  warning: 'yellow',
  missing: 'red',
};

function formatFindings(findings: readonly Finding[], output: Output): string {
  const checkWidth = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .map(({ check, status, found, advice }) => {
      const verdict = paint(output, styles[status], status.padEnd('warning'.length));
      const line = `${verdict}  ${check.padEnd(checkWidth)}  ${printable(found)}\n`;
      return advice === undefined ? line : `${line}         ${advice}\n`;
    })
    .join('');
}
