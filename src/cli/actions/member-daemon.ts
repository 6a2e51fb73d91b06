import { text as readText } from 'node:stream/consumers';
import { callLocal, isNotRunning } from '../../api/client/local-client.ts';
import { localJoin, localLeave } from '../../api/member-local.ts';
import type { MemberDependencies, MemberOptions } from '../../member/run-member.ts';
import { endpointSchema } from '../../model/endpoint.ts';
import { InvalidInputError } from '../../model/error.ts';
import { parseMemberName } from '../../model/names.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { LogLevel } from '../../runtime/log.ts';
import { readInviteToken } from '../../trust/invite-token.ts';
import type { CommandContext } from '../command-context.ts';
import { type DirectoryOptions, defaultDirectory } from '../common-options.ts';
import { readConfigFile } from '../config/config-file.ts';
import { type MemberConfig, memberConfigSchema } from '../config/daemon-config.ts';
import type { ExitCode } from '../exit-code.ts';
import { memberDirectoryOf, memberSocketOf } from '../member-socket.ts';
import { parseOption } from '../option-schema.ts';

/** What the daemon commands are given; what is left out may be in the file. */
interface DaemonOptions {
  readonly config?: string;
  readonly dir?: string;
  readonly metricsListen?: string;
  readonly logLevel?: LogLevel;
}
export interface JoinOptions extends DaemonOptions {
  readonly name?: string;
  /** False with `--no-run`. */
  readonly run: boolean;
}
export type MemberRunOptions = DaemonOptions;
export interface LeaveOptions extends DirectoryOptions {
  readonly force?: boolean;
}

/** Hands the token to the daemon that runs here; where none runs, joins and then runs itself. */
export async function joinAction(
  tokenArgument: string,
  options: JoinOptions,
  { terminal, signal }: CommandContext,
): Promise<ExitCode> {
  const config = await readMemberConfig(options);
  const token = tokenArgument === '-' ? await readToken() : tokenArgument;
  // A token that cannot be good makes no directory, and asks nobody.
  readInviteToken(token, { nowMs: Date.now() });
  const name = options.name === undefined ? config.name : parseMemberName(options.name);
  const request = { token, ...(name === undefined ? {} : { name }) };
  try {
    const onProgress = (line: string) => terminal.err.write(`${line}\n`);
    const options = { signal, onProgress };
    const joined = await callLocal(memberSocketOf(config), localJoin, request, options);
    const addresses = `${joined.ipv4}, ${joined.ipv6}`;
    terminal.out.write(`${joined.name} is in ${joined.membership}: ${addresses}\n`);
    return 0;
  } catch (error) {
    if (!isNotRunning(error)) throw error;
  }
  return joinAndRun(request, { config, run: options.run }, { terminal, signal });
}

/**
 * The daemon that joins goes on with the session that answered it; `--no-run` stops it there. Being
 * stopped before the answer is a failure: this machine is no member then.
 */
async function joinAndRun(
  request: NonNullable<MemberOptions['join']>,
  { config, run }: { readonly config: ResolvedConfig; readonly run: boolean },
  { terminal, signal }: Pick<CommandContext, 'terminal' | 'signal'>,
): Promise<ExitCode> {
  const joined = new AbortController();
  let hasJoined = false;
  const onJoined: MemberOptions['onJoined'] = ({ vpn, subset, name, ipv4, ipv6 }) => {
    terminal.err.write(`${name} is in ${vpn.name}.${subset}: ${ipv4}, ${ipv6}\n`);
    hasJoined = true;
    if (!run) joined.abort();
  };
  const onProgress: MemberOptions['onProgress'] = (line) => terminal.err.write(`${line}\n`);
  const stop = AbortSignal.any([signal, joined.signal]);
  const exitCode = await runDaemon(config, { join: request, onProgress, onJoined }, stop);
  return hasJoined ? exitCode : 1;
}

/** Runs until the signal is aborted, or no membership is left. */
export async function runMemberAction(
  options: MemberRunOptions,
  { signal }: CommandContext,
): Promise<ExitCode> {
  return runDaemon(await readMemberConfig(options), {}, signal);
}

async function runDaemon(
  config: ResolvedConfig,
  join: Pick<MemberOptions, 'join' | 'onProgress' | 'onJoined'>,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { metricsListen, logLevel = 'info' } = config;
  const daemon = {
    directory: memberDirectoryOf(config),
    ...(metricsListen === undefined ? {} : { metricsListen }),
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
  const left = await callLocal(memberSocketOf(options), localLeave, request, { signal });
  terminal.out.write(`${left.membership} is over: ${left.reason}\n`);
}

async function readToken(): Promise<string> {
  const token = (await readText(process.stdin)).trim();
  if (token !== '') return token;
  throw new InvalidInputError('standard input holds no token: pipe `hanse invite create` into it');
}

type ResolvedConfig = MemberConfig & DirectoryOptions;

/** What the command line and the environment say, in the place of what the file says. */
export async function readMemberConfig(options: DaemonOptions): Promise<ResolvedConfig> {
  const file =
    options.config === undefined ? {} : await readConfigFile(options.config, memberConfigSchema);
  const { dir = file.dir ?? defaultDirectory, logLevel, metricsListen } = options;
  return {
    ...file,
    dir,
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(metricsListen === undefined
      ? {}
      : { metricsListen: parseOption('--metrics-listen', endpointSchema, metricsListen) }),
  };
}
