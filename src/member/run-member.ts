import { localJoin, localLeave, localStatus, type MemberStatus } from '../api/member-local.ts';
import { localMeasure, localMeasurements } from '../api/member-measurements.ts';
import type { Place } from '../api/messages.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { MemberName } from '../model/names.ts';
import type { IdentityKey } from '../model/records/parts.ts';
import type { Clock } from '../runtime/clock.ts';
import { lockDirectory } from '../runtime/directory-lock.ts';
import type { Log } from '../runtime/log.ts';
import { ControlCounts } from './control-counts.ts';
import { HostKeeper } from './host-keeper.ts';
import type { OnProgress } from './landing/progress-lines.ts';
import { localRoute, serveLocally } from './local-server.ts';
import { describeMeasurements, measureAll } from './measuring/describe-measurements.ts';
import { Member } from './member.ts';
import { localSocketPath, MemberDirectory } from './member-directory.ts';
import { MemberError } from './member-error.ts';
import type { MemberHost } from './member-host.ts';
import { renderMetrics } from './member-metrics.ts';
import { readMemberStatus } from './member-status.ts';
import { PathKeeper } from './path-keeper.ts';
import type { ResolveHost } from './resolve-endpoint.ts';

export interface MemberOptions {
  /** Holds all state and the socket; made when there is none. */
  readonly directory: string;
  /** An invite to join with first; the daemon goes on with the session that answered it. */
  readonly join?: { readonly token: string; readonly name?: MemberName };
  /** TCP address for Prometheus; absent for none. Give a loopback address unless others may read. */
  readonly metricsListen?: Endpoint;
  /** Told how far the join of these options is, when its invite leaves the subset to placement. */
  readonly onProgress?: OnProgress;
  /** Told once, when the join of these options is answered and its tunnel is up. */
  readonly onJoined?: (place: Place) => void;
}

export interface MemberDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to 1. */
  readonly random: () => number;
  readonly resolveHost: ResolveHost;
  /** Called once, with a name for the owner of what is made; what it makes outlives the daemon. */
  readonly createHost: (owner: string) => Promise<MemberHost>;
}

/**
 * - `stopped`: by the signal. Memberships, keys and interfaces stay as they are.
 * - `all-ended`: this member is in no VPN any more, and nothing was left to do.
 */
export type MemberOutcome = 'stopped' | 'all-ended';

/**
 * The exit status for `all-ended` and for `nothing-to-run`, which tells a service manager not to start the daemon again
 * (systemd: `RestartPreventExitStatus=5`). The command line's other statuses end at 4.
 */
export const allEndedExitCode = 5;

/**
 * Runs all memberships of a directory until the signal is aborted or none is left.
 * @throws DirectoryBusyError; MemberError `corrupt-state`, `nothing-to-run`; what `Member.join` throws,
 *   when there was nothing to run but the join; whatever `createHost` throws
 */
export async function runMember(
  options: MemberOptions,
  dependencies: MemberDependencies,
  signal: AbortSignal,
): Promise<MemberOutcome> {
  await using cleanup = new AsyncDisposableStack();
  cleanup.use(await lockDirectory(options.directory));
  const stop = new AbortController();
  const stopped = AbortSignal.any([signal, stop.signal]);
  const directory = new MemberDirectory(options.directory);
  const identity = await directory.identity();
  const host = dependencies.createHost(memberOwner(identity.identityKey));
  // It is awaited below, after what can be done without it.
  host.catch(() => {});
  const hostKeeper = new HostKeeper(host, stopped);
  const parts = {
    ...dependencies,
    host,
    hostKeeper,
    pathKeeper: new PathKeeper({ ...dependencies, host, hostKeeper }, stopped),
    counts: new ControlCounts(),
  };
  const member = new Member({ directory, identity }, parts, stopped);
  cleanup.defer(async () => {
    await leaveDirectPaths(hostKeeper, dependencies.log);
    stop.abort();
    await member.idle();
  });
  await member.resume();
  const joined = joinFirst(member, parts.hostKeeper, options);
  // Whether it fails is asked below; the socket is there meanwhile, for whoever wants the status.
  joined.catch(() => {});
  cleanup.use(await serveMember(member, parts, options));
  try {
    await joined;
    await host;
  } catch (error) {
    if (signal.aborted) return 'stopped';
    throw error;
  }
  await member.idle();
  return signal.aborted ? 'stopped' : 'all-ended';
}

/** While nobody watches them, packets go by masters: a direct path that dies would swallow them. */
async function leaveDirectPaths(hostKeeper: HostKeeper, log: Log): Promise<void> {
  await hostKeeper.leaveDirect().catch((error: unknown) => {
    log.error({ err: error }, 'direct paths are still in use');
  });
}

/** How a member's interfaces are marked, see `ownerMark`. */
export function memberOwner(identityKey: IdentityKey): string {
  return `member/${identityKey}`;
}

interface RunningParts extends MemberDependencies {
  readonly host: Promise<MemberHost>;
  readonly counts: ControlCounts;
  readonly pathKeeper: PathKeeper;
}

/** Sees to it that there is something to run, or that nothing is left of what was. */
async function joinFirst(
  member: Member,
  hostKeeper: HostKeeper,
  { join, onProgress, onJoined, directory }: MemberOptions,
): Promise<void> {
  if (join) {
    const { place } = await member.join(join.token, join.name, onProgress);
    onJoined?.(place);
  } else if (member.entries.size === 0) {
    throw new MemberError(`${directory} holds no membership: join with a token first`, {
      code: 'nothing-to-run',
      fields: { directory },
    });
  } else if (!member.isBusy) {
    await hostKeeper.refresh();
  }
}

function serveMember(
  member: Member,
  parts: RunningParts,
  { directory, metricsListen }: MemberOptions,
): Promise<AsyncDisposable> {
  const { clock, log } = parts;
  const startedAtMs = clock.nowMs();
  const status = async (): Promise<MemberStatus> => {
    const host = await parts.host;
    const statuses = parts.pathKeeper.statuses();
    const facts = { entries: member.entries, startedAtMs, statuses, nowMs: clock.nowMs() };
    return readMemberStatus(facts, host);
  };
  const routes = [
    localRoute(localStatus, status),
    localRoute(localLeave, ({ membership, force }) => member.leave(membership, force)),
    localRoute(localMeasurements, async () => describeMeasurements(member.entries, clock)),
    localRoute(localMeasure, async () => {
      await measureAll(member.entries);
      return describeMeasurements(member.entries, clock);
    }),
    localRoute(localJoin, async ({ token, name }, onProgress) => {
      const { place } = await member.join(token, name, onProgress);
      const membership = `${place.vpn.name}.${place.subset}`;
      return { membership, name: place.name, ipv4: place.ipv4, ipv6: place.ipv6 };
    }),
  ];
  const metrics = async () => renderMetrics(await status(), parts.counts.list());
  const socketPath = localSocketPath(directory);
  const serverOptions =
    metricsListen === undefined ? { socketPath } : { socketPath, metricsListen };
  return serveLocally(serverOptions, { routes, metrics, log });
}
