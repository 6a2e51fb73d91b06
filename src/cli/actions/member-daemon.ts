import { text as readText } from 'node:stream/consumers';
import { callLocal, isNotRunning } from '../../api/client/local-client.ts';
import { localJoin, localLeave } from '../../api/member-local.ts';
import type { MemberDependencies, MemberOptions } from '../../member/run-member.ts';
import { endpointSchema } from '../../model/endpoint.ts';
import { InvalidInputError } from '../../model/error.ts';
import { parseMemberName } from '../../model/names.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { LogLevel } from '../../runtime/log.ts';
import type { CommandContext } from '../command-context.ts';
import type { DirectoryOptions } from '../common-options.ts';
import { readConfigFile } from '../config/config-file.ts';
import { memberConfigSchema } from '../config/daemon-config.ts';
import type { ExitCode } from '../exit-code.ts';
import { memberDirectoryOf, memberSocketOf } from '../member-socket.ts';
import { parseOption } from '../option-schema.ts';

interface DaemonOptions extends DirectoryOptions {
  readonly metricsListen?: string;
  readonly logLevel?: LogLevel;
}
export interface JoinOptions extends DaemonOptions {
  readonly name?: string;
  /** False with `--no-run`. */
  readonly run: boolean;
}
export interface MemberRunOptions extends DaemonOptions {
  readonly config?: string;
}
export interface LeaveOptions extends DirectoryOptions {
  readonly force?: boolean;
}

/** Hands the token to the daemon that runs here; where none runs, joins and then runs itself. */
export async function joinAction(
  tokenArgument: string,
  options: JoinOptions,
  { terminal, signal }: CommandContext,
): Promise<ExitCode> {
  const token = tokenArgument === '-' ? await readToken() : tokenArgument;
  const request = {
    token,
    ...(options.name === undefined ? {} : { name: parseMemberName(options.name) }),
  };
  try {
    const joined = await callLocal(memberSocketOf(options), localJoin, request, signal);
    const addresses = `${joined.ipv4}, ${joined.ipv6}`;
    terminal.out.write(`${joined.name} is in ${joined.membership}: ${addresses}\n`);
    return 0;
  } catch (error) {
    if (!isNotRunning(error)) throw error;
  }
  return joinAndRun(request, options, { terminal, signal });
}

/**
 * The daemon that joins goes on with the session that answered it; `--no-run` stops it there. Being
 * stopped before the answer is a failure: this machine is no member then.
 */
async function joinAndRun(
  request: NonNullable<MemberOptions['join']>,
  options: JoinOptions,
  { terminal, signal }: Pick<CommandContext, 'terminal' | 'signal'>,
): Promise<ExitCode> {
  const joined = new AbortController();
  let hasJoined = false;
  const onJoined: MemberOptions['onJoined'] = ({ vpn, subset, name, ipv4, ipv6 }) => {
    terminal.err.write(`${name} is in ${vpn.name}.${subset}: ${ipv4}, ${ipv6}\n`);
    hasJoined = true;
    if (!options.run) joined.abort();
  };
  const stop = AbortSignal.any([signal, joined.signal]);
  const exitCode = await runDaemon(options, { join: request, onJoined }, stop);
  return hasJoined ? exitCode : 1;
}

/** Runs until the signal is aborted. Options win over the file. */
export async function runMemberAction(
  options: MemberRunOptions,
  { signal }: CommandContext,
): Promise<ExitCode> {
  return runDaemon(await withConfig(options), {}, signal);
}

async function runDaemon(
  options: DaemonOptions,
  join: Pick<MemberOptions, 'join' | 'onJoined'>,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { metricsListen, logLevel = 'info' } = options;
  const daemon = {
    directory: memberDirectoryOf(options),
    ...(metricsListen === undefined
      ? {}
      : { metricsListen: parseOption('--metrics-listen', endpointSchema, metricsListen) }),
    ...join,
  };
  const { runMember, allEndedExitCode } = await import('../../member/run-member.ts');
  const outcome = await runMember(daemon, await systemDependencies(logLevel), signal);
  return outcome === 'all-ended' ? allEndedExitCode : 0;
}

/** The real machine: its clock, its resolver, its network. */
async function systemDependencies(level: LogLevel): Promise<MemberDependencies> {
  const { createSystemHost } = await import('../../member/system-host.ts');
  const { systemResolveHost } = await import('../../member/resolve-endpoint.ts');
  const { createRunner } = await import('../../host/runner.ts');
  const { createLog } = await import('../../runtime/log.ts');
  const log = createLog({ level, name: 'member' });
  return {
    clock: systemClock,
    log,
    random: Math.random,
    resolveHost: systemResolveHost,
    createHost: (owner) => createSystemHost(owner, { runner: createRunner(), log }),
  };
}

/** Asks the daemon that runs here, which tells the master. */
export async function leaveAction(
  membership: string | undefined,
  options: LeaveOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const request = {
    force: options.force ?? false,
    ...(membership === undefined ? {} : { membership }),
  };
  const left = await callLocal(memberSocketOf(options), localLeave, request, signal);
  terminal.out.write(`${left.membership} is over: ${left.reason}\n`);
}

async function readToken(): Promise<string> {
  const token = (await readText(process.stdin)).trim();
  if (token !== '') return token;
  throw new InvalidInputError('standard input holds no token: pipe `hanse invite create` into it');
}

async function withConfig(options: MemberRunOptions): Promise<MemberRunOptions> {
  if (options.config === undefined) return options;
  const { dir, logLevel, metricsListen } = await readConfigFile(options.config, memberConfigSchema);
  return {
    ...options,
    ...(dir === undefined ? {} : { dir }),
    ...(options.logLevel === undefined && logLevel !== undefined ? { logLevel } : {}),
    ...(options.metricsListen === undefined && metricsListen !== undefined
      ? { metricsListen }
      : {}),
  };
}
