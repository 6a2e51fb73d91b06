import { callLocal, isNotRunning } from '../../api/client/local-client.ts';
import { localStatus, type MemberStatus, type MembershipStatus } from '../../api/member-local.ts';
import type { MasterStatus } from '../../api/status-endpoints.ts';
import { HanseError } from '../../model/error.ts';
import { type MasterName, parseMasterName } from '../../model/names.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import type { ExitCode } from '../exit-code.ts';
import { type Answer, askStatuses } from '../master-answers.ts';
import { memberDirectoryOf, memberSocketOf } from '../member-socket.ts';
import { asOperator } from '../operator-session.ts';
import { writeJson } from '../output/json.ts';
import {
  formatEndedMemberships,
  formatMasterStatus,
  formatMemberStatus,
} from '../output/status-text.ts';

export interface StatusOptions extends OperatorOptions, ListingOptions {
  readonly master?: string;
}

/** What one master said of itself, or why it did not. */
type MasterAnswer =
  | { readonly name: MasterName; readonly status: MasterStatus }
  | Extract<Answer<MasterStatus>, { error: string }>;

/** What is known of this machine's member: from its daemon, or from the disk where none runs. */
type LocalMember =
  | { readonly kind: 'running'; readonly status: MemberStatus }
  | { readonly kind: 'ended'; readonly memberships: readonly MembershipStatus[] };

/** Exits with 4 when a master gave no answer: the others' answers are still worth reading. */
export async function statusAction(
  options: StatusOptions,
  { terminal, signal }: CommandContext,
): Promise<ExitCode> {
  const member = options.master === undefined ? await localMember(options, signal) : undefined;
  const masters = await allMasters(options, signal).catch((error: unknown) => {
    // What the member knows is the more worth reading when no master can be reached.
    if (!member || !(error instanceof HanseError)) throw error;
    terminal.err.write(`hanse: ${error.message}\n`);
    return 'unknown' as const;
  });
  if (!member && !masters) throw nothingHere(options);
  const answers = masters === undefined || masters === 'unknown' ? [] : masters;
  if (options.json) {
    writeJson(terminal.out, { ...memberDocument(member), masters: answers });
  } else {
    const nowMs = Date.now();
    const parts = member ? [formatMember(member, nowMs)] : [];
    parts.push(...answers.map((answer) => formatAnswer(answer, nowMs)));
    terminal.out.write(parts.join('\n'));
  }
  return masters === 'unknown' || answers.some((answer) => 'error' in answer) ? 4 : 0;
}

/** Undefined when no member runs on this machine, nor has been in a VPN. */
async function localMember(
  options: StatusOptions,
  signal: AbortSignal,
): Promise<LocalMember | undefined> {
  try {
    const socket = memberSocketOf(options);
    return { kind: 'running', status: await callLocal(socket, localStatus, undefined, { signal }) };
  } catch (error) {
    if (!isNotRunning(error)) throw error;
  }
  const { readEndedMemberships } = await import('../../member/ended-memberships.ts');
  const memberships = await readEndedMemberships(memberDirectoryOf(options));
  return memberships.length === 0 ? undefined : { kind: 'ended', memberships };
}

function memberDocument(member: LocalMember | undefined) {
  if (!member) return {};
  return member.kind === 'running' ? { member: member.status } : { ended: member.memberships };
}

function formatMember(member: LocalMember, nowMs: number): string {
  return member.kind === 'running'
    ? formatMemberStatus(member.status, nowMs)
    : formatEndedMemberships(member.memberships, nowMs);
}

/** Undefined when nobody is an operator here, unless a master was asked for by name. */
async function allMasters(
  options: StatusOptions,
  signal: AbortSignal,
): Promise<readonly MasterAnswer[] | undefined> {
  try {
    return await asOperator(options, async (client) => {
      const names =
        options.master === undefined
          ? (await client.directory(signal)).masters.map(({ name }) => name)
          : [parseMasterName(options.master)];
      const answers = await askStatuses(client, names, signal);
      return answers.map((answer) =>
        'reply' in answer ? { name: answer.name, status: answer.reply } : answer,
      );
    });
  } catch (error) {
    const nobody = error instanceof HanseError && ['no-profile', 'no-masters'].includes(error.code);
    if (nobody && options.master === undefined && options.profile === undefined) return undefined;
    throw error;
  }
}

function formatAnswer(answer: MasterAnswer, nowMs: number): string {
  return 'status' in answer
    ? formatMasterStatus(answer.status, nowMs)
    : `master ${answer.name}: no answer: ${answer.error}\n`;
}

function nothingHere(options: StatusOptions): CliError {
  return new CliError(
    `nothing to show: no member runs on this machine (${memberSocketOf(options)}), and no operator's profile with a master was found (--profile)`,
    { code: 'nothing-here', fields: { directory: options.dir } },
  );
}
