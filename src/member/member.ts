import { hostname } from 'node:os';
import type { MemberName } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { rootFingerprint } from '../trust/certificate-check.ts';
import { type InviteClaims, readInviteToken } from '../trust/invite-token.ts';
import { createWireguardKeyPair } from '../trust/wireguard-keys.ts';
import { obtainAdmission } from './admission.ts';
import type { ControlCounts } from './control-counts.ts';
import { defaultMemberName } from './default-member-name.ts';
import type { OpenSession } from './held-session.ts';
import { directInterfaceName, type HostKeeper, memberInterfaceName } from './host-keeper.ts';
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

interface JoinRequest {
  readonly token: string;
  readonly name: MemberName;
  readonly invite: InviteClaims;
  readonly before: MemberEntry | undefined;
}

interface JoinAttempt {
  readonly invite: InviteClaims;
  readonly pending: PendingJoin;
  readonly signal: AbortSignal;
}

/** All memberships of one directory: starts, joins, leaves and knows them. */
export class Member {
  readonly #directory: MemberDirectory;
  readonly #identity: MemberIdentity;
  readonly #parts: MemberParts;
  readonly #signal: AbortSignal;
  readonly #entries = new Map<string, MemberEntry>();
  readonly #tasks = new Set<Promise<unknown>>();

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
    for (const files of await this.#directory.memberships()) {
      const stored = await files.read();
      if (stored.kind === 'none') await files.dropPending();
      if (stored.kind === 'member') {
        await files.endJoin();
        this.#run(this.#membership(files, stored.state));
      }
      if (stored.kind === 'pending') this.#resumeJoin(files, stored.pending);
      if (stored.kind === 'ended') await this.#finishEnd(files, stored.tombstone);
    }
  }

  /** Resolves when no membership runs any more, nor is being joined. */
  async idle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks);
  }

  /**
   * Joins with an invite, or goes on with a join that was cut short; resolves when the tunnel is up.
   * @throws MemberError `already-member`, `other-vpn`, `join-refused`, `untrusted-master`;
   *   TrustError for a token that is none
   */
  async join(token: string, name = defaultMemberName(hostname())): Promise<MembershipState> {
    const nowMs = this.#parts.clock.nowMs();
    const invite = readInviteToken(token, { nowMs });
    const files = this.#directory.membership(invite.vpn, invite.subset);
    const before = this.#entries.get(files.name);
    if (before?.kind === 'joining' && before.token === token) return await before.joined;
    if (before && before.kind !== 'ended') throw alreadyMember(files.name);
    const wanted = { token, name: invite.memberName ?? name };
    return await this.#begin(files, { ...wanted, invite, before }, () =>
      this.#preparePending(files, wanted),
    );
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

  /** What was there `before` is there again when the join fails. */
  #begin(
    files: MembershipFiles,
    request: JoinRequest,
    prepare: () => Promise<PendingJoin>,
  ): Promise<MembershipState> {
    const { invite, name, token, before } = request;
    const cancelled = new AbortController();
    const signal = AbortSignal.any([this.#signal, cancelled.signal]);
    const joined = prepare().then((pending) => this.#complete(files, { invite, pending, signal }));
    const cancel = async () => {
      cancelled.abort(joinCancelled(files.name));
      await settled;
      const now = this.#entries.get(files.name);
      // The answer was faster.
      if (now?.kind === 'running') return void (await now.loop.forget());
      await files.dropPending();
      await this.#parts.hostKeeper.remove(files.name);
    };
    const sinceMs = this.#parts.clock.nowMs();
    const entry = { kind: 'joining', invite, name, token, sinceMs, joined, cancel } as const;
    this.#entries.set(files.name, entry);
    const settled = joined.then(ignore, () => {
      if (before) this.#entries.set(files.name, before);
      else this.#entries.delete(files.name);
    });
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
    const request = { token, name, invite, before: undefined };
    this.#begin(files, request, async () => pending).catch((error: unknown) => {
      if (this.#signal.aborted) return;
      this.#parts.log.error({ membership: files.name, err: error }, 'resumed join failed');
    });
  }

  async #complete(
    files: MembershipFiles,
    { invite, pending, signal }: JoinAttempt,
  ): Promise<MembershipState> {
    const startedMs = this.#parts.clock.monotonicMs();
    const earlier = this.#earlierMembership(invite);
    const identity = this.#identity;
    const interfaceName = memberInterfaceName(identity.identityKey, files.name, 0);
    const options = { files, pending, invite, identity, interfaceName };
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
    const directInterface = directInterfaceName(identityKey, files.name);
    const names = { interfaceName, directInterface };
    return new Membership({ files, state, identity: this.#identity, ...names }, this.#parts);
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
