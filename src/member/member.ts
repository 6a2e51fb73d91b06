import { hostname } from 'node:os';
import type { MemberName } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { rootFingerprint } from '../trust/certificate-check.ts';
import { type InviteClaims, readInviteToken } from '../trust/invite-token.ts';
import { createWireguardKeyPair } from '../trust/wireguard-keys.ts';
import { isFinal, obtainAdmission } from './admission.ts';
import type { ControlCounts } from './control-counts.ts';
import { defaultMemberName } from './default-member-name.ts';
import type { OpenSession } from './held-session.ts';
import { type HostKeeper, memberInterfaceName, peerInterfaceNames } from './host-keeper.ts';
import { JoinProgress } from './join-progress.ts';
import type { JoinAttempt, JoinRequest, JoinTask } from './join-task.ts';
import { Landings } from './landing/landings.ts';
import type { OnProgress } from './landing/progress-lines.ts';
import type { MemberDirectory, MemberIdentity } from './member-directory.ts';
import type { MemberEntry } from './member-entry.ts';
import type { MemberHost } from './member-host.ts';
import { Membership } from './membership.ts';
import type {
  MembershipEndReason,
  MembershipFiles,
  MembershipState,
  PendingJoin,
  Tombstone,
} from './membership-files.ts';
import { MembershipLoop } from './membership-loop.ts';
import {
  alreadyMember,
  joinCancelled,
  noMembership,
  otherVpn,
  stillJoining,
} from './membership-problems.ts';
import { createDestinations, type Destinations } from './moving/destinations.ts';
import type { PathKeeper } from './path-keeper.ts';
import type { ResolveHost } from './resolve-endpoint.ts';

export interface MemberParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly resolveHost: ResolveHost;
  readonly counts: ControlCounts;
  readonly host: Promise<MemberHost>;
  readonly hostKeeper: HostKeeper;
  readonly pathKeeper: PathKeeper;
}

/** A name that is slow to resolve keeps a single membership's tunnels, and no others', away for longer. */
const longestResumeMs = 2_000;

/** All memberships of one directory: starts, joins, leaves and knows them. */
export class Member {
  readonly #directory: MemberDirectory;
  readonly #identity: MemberIdentity;
  readonly #parts: MemberParts;
  readonly #signal: AbortSignal;
  readonly #entries = new Map<string, MemberEntry>();
  readonly #tasks = new Set<Promise<unknown>>();
  readonly #landings: Landings;
  readonly #resumed = Promise.withResolvers<void>();
  readonly #destinations: Destinations;

  /** @param signal stops every membership, and ends none */
  constructor(
    options: { readonly directory: MemberDirectory; readonly identity: MemberIdentity },
    parts: MemberParts,
    signal: AbortSignal,
  ) {
    this.#directory = options.directory;
    this.#identity = options.identity;
    this.#parts = parts;
    this.#signal = signal;
    this.#landings = new Landings(
      { ...options, entries: this.#entries, signal },
      {
        ...parts,
        begin: this.#begin.bind(this),
        complete: this.#complete.bind(this),
        earlierMembership: this.#earlierMembership.bind(this),
      },
    );
    this.#destinations = createDestinations({
      entries: this.#entries,
      join: (token) => this.join(token),
      resumed: this.#resumed.promise,
    });
  }

  get entries(): ReadonlyMap<string, MemberEntry> {
    return this.#entries;
  }

  /** Whether a membership runs or is being taken up. */
  get isBusy(): boolean {
    return this.#tasks.size > 0;
  }

  /** Takes up what is on the disk: runs memberships, goes on with joins, finishes ends. */
  async resume(): Promise<void> {
    const found = await this.#directory.memberships();
    const all = await Promise.all(found.map(async (files) => [files, await files.read()] as const));
    this.#expect(all.flatMap(([files, { kind }]) => (kind === 'member' ? [files.name] : [])));
    for (const [files, stored] of all) {
      if (stored.kind === 'none') await files.dropPending();
      if (stored.kind === 'member') {
        await files.endJoin();
        this.#run(this.#membership(files, stored.state));
      }
      if (stored.kind === 'pending') this.#resumeJoin(files, stored.pending);
      if (stored.kind === 'ended') await this.#finishEnd(files, stored.tombstone);
    }
    await this.#landings.resume((vpn, error) => this.#resumeFailed(vpn, error));
    this.#resumed.resolve();
  }

  /** The host is told of all that it had before the crash or stop, or of what is ready by then. */
  #expect(memberships: readonly string[]): void {
    if (memberships.length === 0) return;
    const { hostKeeper, clock } = this.#parts;
    hostKeeper.expect(memberships);
    const skipAll = () => memberships.forEach((membership) => void hostKeeper.skip(membership));
    clock.sleep(longestResumeMs, this.#signal).then(skipAll, skipAll);
  }

  /** Resolves when no membership runs any more, nor is being joined. */
  async idle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks);
  }

  /**
   * Joins with an invite, or goes on with a join that was cut short; resolves when the tunnel is up.
   * @param onProgress told how far a join is whose subset is not known yet
   * @throws MemberError `already-member`, `other-vpn`, `join-refused`, `untrusted-master`;
   *   TrustError for a token that is none
   */
  async join(
    token: string,
    name = defaultMemberName(hostname()),
    onProgress: OnProgress = ignore,
  ): Promise<MembershipState> {
    const nowMs = this.#parts.clock.nowMs();
    const invite = readInviteToken(token, { nowMs });
    const files = this.#directory.membership(invite.vpn, invite.subset);
    const membership = invite.isPlaced ? invite.vpn : files.name;
    const before = this.#entries.get(membership);
    if (before?.kind === 'joining' && before.token === token) {
      before.progress.follow(onProgress);
      return await before.joined;
    }
    if (before && before.kind !== 'ended') throw alreadyMember(membership);
    const progress = new JoinProgress();
    progress.follow(onProgress);
    const request = { token, name: invite.memberName ?? name, invite, before, progress };
    if (invite.isPlaced) return await this.#landings.begin(request);
    return await this.#join(files, request, () => this.#preparePending(files, request));
  }

  /**
   * Leaves a membership; with `force`, only forgets it, or gives up a join that is not answered.
   * @param name may be left out when there is just one
   * @throws MemberError `no-membership`, `not-connected`
   */
  async leave(
    name: string | undefined,
    force: boolean,
  ): Promise<{ readonly membership: string; readonly reason: MembershipEndReason }> {
    const present = [...this.#entries].filter(([, { kind }]) => kind !== 'ended');
    const names = present.map(([membership]) => membership);
    const membership = name ?? (names.length === 1 ? names[0] : undefined);
    const entry = membership === undefined ? undefined : this.#entries.get(membership);
    if (membership === undefined || entry === undefined || entry.kind === 'ended') {
      throw noMembership(name, names);
    }
    if (entry.kind === 'running') {
      const reason = await (force ? entry.loop.forget() : entry.loop.leave());
      return { membership, reason };
    }
    if (!force) throw stillJoining(membership);
    await entry.cancel();
    return { membership, reason: 'forgotten' };
  }

  #join(
    files: MembershipFiles,
    request: JoinRequest,
    prepare: () => Promise<PendingJoin>,
  ): Promise<MembershipState> {
    const { invite } = request;
    const drop = async (): Promise<void> => {
      await files.dropPending();
      await this.#parts.hostKeeper.remove(files.name);
    };
    const start = async (signal: AbortSignal): Promise<MembershipState> => {
      try {
        return await this.#complete(files, { invite, pending: await prepare(), signal });
      } catch (error) {
        if (isFinal(error)) await drop();
        throw error;
      }
    };
    return this.#begin(files.name, request, { start, drop });
  }

  /** What was there `before` is there again when the join fails. */
  #begin(membership: string, request: JoinRequest, task: JoinTask): Promise<MembershipState> {
    const { invite, name, token, before, progress } = request;
    const cancelled = new AbortController();
    const joined = task.start(AbortSignal.any([this.#signal, cancelled.signal]));
    const cancel = async () => {
      cancelled.abort(joinCancelled(membership));
      await settled;
      const place = await joined.then(({ place }) => place, ignore);
      const now = place && this.#entries.get(`${place.vpn.name}.${place.subset}`);
      // The answer was faster.
      if (now?.kind === 'running') return void (await now.loop.forget());
      await task.drop();
    };
    const sinceMs = this.#parts.clock.nowMs();
    const asked = { invite, name, token, progress };
    const entry = { kind: 'joining', ...asked, sinceMs, joined, cancel } as const;
    this.#entries.set(membership, entry);
    const settle = () => {
      // Else it has become the membership.
      if (this.#entries.get(membership) !== entry) return;
      if (before) this.#entries.set(membership, before);
      else this.#entries.delete(membership);
    };
    const settled = joined.then(settle, settle);
    this.#track(settled);
    return joined;
  }

  /** A join with the same token goes on with the same keys, which is what makes its answer the same. */
  async #preparePending(
    files: MembershipFiles,
    { token, name }: { readonly token: string; readonly name: MemberName },
  ): Promise<PendingJoin> {
    const stored = await files.read();
    if (stored.kind === 'pending' && stored.pending.token === token) return stored.pending;
    const keys = { acting: createWireguardKeyPair() };
    const startedAtMs = this.#parts.clock.nowMs();
    const pending: PendingJoin = { version: 1, startedAtMs, token, name, keys };
    await files.writePending(pending);
    return pending;
  }

  #resumeJoin(files: MembershipFiles, pending: PendingJoin): void {
    const { token, name, startedAtMs } = pending;
    // Whether it has expired since is for the master to say, which may have admitted us before.
    const invite = readInviteToken(token, { nowMs: startedAtMs });
    const request = { token, name, invite, before: undefined, progress: new JoinProgress() };
    this.#join(files, request, async () => pending).catch((error: unknown) =>
      this.#resumeFailed(files.name, error),
    );
  }

  #resumeFailed(membership: string, error: unknown): void {
    if (this.#signal.aborted) return;
    this.#parts.log.error({ membership, err: error }, 'resumed join failed');
  }

  async #complete(
    files: MembershipFiles,
    { signal, ...attempt }: JoinAttempt,
  ): Promise<MembershipState> {
    const startedMs = this.#parts.clock.monotonicMs();
    const earlier = this.#earlierMembership(attempt.invite);
    const identity = this.#identity;
    const interfaceName = memberInterfaceName(identity.identityKey, files.name, 0);
    const options = { ...attempt, files, identity, interfaceName };
    const joined = await obtainAdmission(
      earlier ? { ...options, earlier } : options,
      this.#parts,
      signal,
    );
    const { log, clock } = this.#parts;
    log.info({ membership: files.name, name: joined.state.place.name }, 'joined');
    const membership = this.#membership(files, joined.state);
    const admittedMs = clock.monotonicMs();
    const session = await this.#bringUp(membership, joined.session);
    const phases = {
      admissionMs: admittedMs - startedMs,
      bringUpMs: clock.monotonicMs() - admittedMs,
    };
    log.debug({ membership: files.name, ...phases }, 'join phases');
    this.#run(membership, session);
    return joined.state;
  }

  /** Without a host that has the view, there is nothing to acknowledge: the loop tries again. */
  async #bringUp(membership: Membership, session: OpenSession): Promise<OpenSession | undefined> {
    try {
      await membership.bringUp();
      return session;
    } catch (error) {
      this.#parts.log.error({ membership: membership.name, err: error }, 'tunnel not up');
      await session.connection[Symbol.asyncDispose]();
      return undefined;
    }
  }

  async #finishEnd(files: MembershipFiles, tombstone: Tombstone): Promise<void> {
    await files.removeSecrets();
    this.#entries.set(files.name, { kind: 'ended', tombstone });
    const fields = { membership: files.name, reason: tombstone.reason };
    this.#parts.log.info(fields, 'membership had ended before');
  }

  #membership(files: MembershipFiles, state: MembershipState): Membership {
    const { identityKey } = this.#identity;
    const interfaceName = (slot: number) => memberInterfaceName(identityKey, files.name, slot);
    const names = { interfaceName, peerInterfaces: peerInterfaceNames(identityKey, files.name) };
    const [identity, destinations] = [this.#identity, this.#destinations];
    return new Membership({ files, state, identity, destinations, ...names }, this.#parts);
  }

  #run(membership: Membership, session?: OpenSession): void {
    const loop = new MembershipLoop(membership, this.#parts);
    const { name } = membership;
    this.#entries.set(name, { kind: 'running', loop });
    this.#track(
      loop.run(this.#signal, session).then(
        (tombstone) => void this.#entries.set(name, { kind: 'ended', tombstone }),
        (error: unknown) => {
          if (this.#signal.aborted) return;
          this.#parts.log.error({ membership: name, err: error }, 'membership stopped');
        },
      ),
    );
  }

  /** Another membership in the invite's VPN. @throws MemberError `other-vpn` */
  #earlierMembership({ vpn, rootFingerprint: pinned }: InviteClaims): MembershipState | undefined {
    for (const [name, entry] of this.#entries) {
      if (entry.kind !== 'running') continue;
      const { state } = entry.loop.membership;
      if (state.place.vpn.name !== vpn) continue;
      if (rootFingerprint(state.rootCertificate) === pinned) return state;
      throw otherVpn(name, vpn);
    }
    return undefined;
  }

  /** Keeps `idle` waiting until the task is over, however it ends. */
  #track(task: Promise<unknown>): void {
    const over = () => void this.#tasks.delete(task);
    this.#tasks.add(task);
    task.then(over, over);
  }
}

function ignore(): void {}
