import type { MasterMeasurement } from '../../api/measuring-messages.ts';
import { describeError } from '../../model/error.ts';
import type { SubsetName } from '../../model/names.ts';
import { maxCandidateSubsets } from '../../model/records/roll.ts';
import { Backoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { InviteClaims } from '../../trust/invite-token.ts';
import { isFinal } from '../admission.ts';
import { isWorthRetrying } from '../ask-masters.ts';
import { codesOf, joinBackoff, joinError } from '../join.ts';
import { measureOnce } from '../measuring/measure-once.ts';
import { isRefusal } from '../member-error.ts';
import type { MembershipState } from '../membership-files.ts';
import { alreadyMember, noOtherPlace } from '../membership-problems.ts';
import type { ResolveHost } from '../resolve-endpoint.ts';
import type { HomeMasters } from './home-masters.ts';
import type { GivenPlace, LandingFile, PendingLanding } from './landing-file.ts';
import { judgeAttempt } from './place-attempt.ts';
import { describeMeasured, describePlaced, type OnProgress } from './progress-lines.ts';

export interface LandingOptions {
  readonly file: LandingFile;
  /** As the file has it. */
  readonly landing: PendingLanding;
  readonly invite: InviteClaims;
  readonly home: HomeMasters;
  /** Subsets of the VPN that this node is in already, or is joining otherwise. */
  readonly occupied: () => readonly SubsetName[];
  /** Joins at a place, for a short time. @throws as `joinUntilAnswered`; nothing of it stays then */
  readonly join: (
    landing: PendingLanding,
    place: GivenPlace,
    signal: AbortSignal,
  ) => Promise<MembershipState>;
  readonly onProgress: OnProgress;
}

export interface LandingDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly resolveHost: ResolveHost;
}

/** What was measured is as good as new for so long. */
const freshMs = 60_000;

/**
 * Looks for a place until it has joined one. Every step is on the disk before the next begins, so
 * that after a crash the same place is asked for again, by the same use of the invite.
 */
export class Landing {
  readonly #options: LandingOptions;
  readonly #dependencies: LandingDependencies;
  /** Why each subset did not work out, for people. */
  readonly #reasons = new Map<SubsetName, string>();
  /** Those that have refused, since this process began. */
  readonly #refused = new Set<SubsetName>();
  /** Those that did not answer in their time. Not on the disk: after a crash they are tried again. */
  readonly #silent = new Set<SubsetName>();
  /** Where there was a place, whatever became of it. */
  readonly #given = new Set<SubsetName>();
  readonly #backoff: Backoff;
  #landing: PendingLanding;
  /** Whether the last place may yet answer. */
  #mayAnswer: boolean;
  #measured: { readonly masters: readonly MasterMeasurement[]; readonly atMs: number } | undefined;

  constructor(options: LandingOptions, dependencies: LandingDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#backoff = new Backoff(joinBackoff, dependencies.random);
    this.#landing = options.landing;
    const { place, declined } = options.landing;
    this.#mayAnswer = place !== undefined && !declined.includes(place.subset);
  }

  /**
   * Resolves with the membership, which is on the disk, as the landing is not any more.
   * @throws MemberError `join-refused`, `untrusted-master`, `already-member`; HostError `overlap`: the
   *   landing is over then; the signal's reason, and whatever the disk says: it can be taken up again
   */
  async run(signal: AbortSignal): Promise<MembershipState> {
    const { clock, log } = this.#dependencies;
    const { invite, file, onProgress } = this.#options;
    for (let isFirst = true; ; isFirst = false) {
      const state = await this.#tryPlace(signal);
      if (state) {
        await file.remove();
        return state;
      }
      // Also between answers that come at once: a home may give the same place for ever.
      if (!isFirst) await clock.sleep(this.#backoff.nextDelayMs(), signal);
      try {
        await this.#askForPlace(signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isWorthRetrying(error) && !this.#turnsBack(error)) throw await this.#end(error);
        log.warn({ vpn: invite.vpn, ...codesOf(error) }, 'no place yet');
        log.debug({ vpn: invite.vpn, err: error }, 'last request for a place');
        onProgress(`no place yet: ${describeError(error)}`);
      }
    }
  }

  /**
   * Whether there is no place but one that was silent. It may have taken this node, which only its keys
   * can prove: so it goes on with that place, and asks for it again when the last one was another.
   */
  #turnsBack(error: unknown): boolean {
    if (!isRefusal(error, 'no-place')) return false;
    if (this.#mayAnswer) return true;
    const hasOther = this.#silent.size > 0;
    this.#silent.clear();
    return hasOther;
  }

  /** Undefined when there is no place, or it did not work out. */
  async #tryPlace(signal: AbortSignal): Promise<MembershipState | undefined> {
    const { place } = this.#landing;
    if (!place || !this.#mayAnswer) return undefined;
    const { join, onProgress } = this.#options;
    try {
      return await join(this.#landing, place, signal);
    } catch (error) {
      signal.throwIfAborted();
      const outcome = judgeAttempt(error);
      if (outcome === 'final') throw await this.#end(error);
      this.#mayAnswer = outcome === 'silent';
      if (outcome === 'expired') {
        this.#silent.delete(place.subset);
        return undefined;
      }
      this.#reasons.set(place.subset, describeError(error));
      onProgress(`${place.subset} did not take this node: ${describeError(error)}`);
      if (outcome === 'silent') this.#silent.add(place.subset);
      else await this.#decline(place.subset);
      return undefined;
    }
  }

  async #decline(subset: SubsetName): Promise<void> {
    this.#silent.delete(subset);
    this.#refused.add(subset);
    await this.#write({ declined: [...new Set([...this.#landing.declined, subset])] });
  }

  async #askForPlace(signal: AbortSignal): Promise<void> {
    const { home, onProgress, occupied, invite } = this.#options;
    const masters = await this.#measure(signal);
    const { name, declined } = this.#landing;
    const elsewhere = occupied();
    const unwanted = new Set([...declined, ...this.#silent, ...elsewhere]);
    const request = { name, masters, declined: [...unwanted].slice(0, maxCandidateSubsets) };
    const placed = await home.place(request, signal);
    const { subset, claim, control } = placed;
    if (elsewhere.includes(subset)) throw alreadyMember(`${invite.vpn}.${subset}`);
    this.#requireNew(subset);
    if (!this.#given.has(subset)) this.#backoff.reset();
    this.#given.add(subset);
    this.#silent.delete(subset);
    await this.#write({
      place: { subset, claim, control },
      declined: declined.filter((one) => one !== subset),
    });
    this.#mayAnswer = true;
    onProgress(describePlaced(placed));
  }

  /**
   * A home gives a place again that was declined only when this node has joined there once: what was
   * refused since will be refused again. And none gives more than an invite can lead to.
   * @throws MemberError `join-refused`
   */
  #requireNew(subset: SubsetName): void {
    if (!this.#refused.has(subset) && this.#landing.declined.length < maxCandidateSubsets) return;
    throw noOtherPlace(this.#options.invite.vpn, subset, this.#describeReasons());
  }

  async #measure(signal: AbortSignal): Promise<readonly MasterMeasurement[]> {
    const { home, onProgress } = this.#options;
    const { clock } = this.#dependencies;
    const nowMs = clock.monotonicMs();
    if (this.#measured && nowMs - this.#measured.atMs < freshMs) return this.#measured.masters;
    const { masters: candidates, rootCertificate } = await home.candidates(signal);
    const measured = await measureOnce(
      candidates,
      {
        ...this.#dependencies,
        proveControl: (candidate, inTime) => home.prove(candidate, rootCertificate, inTime),
      },
      signal,
    );
    onProgress(describeMeasured(measured));
    const atMs = clock.monotonicMs();
    this.#measured = { masters: measured.map((master) => master.report(atMs)), atMs };
    return this.#measured.masters;
  }

  async #write(change: Partial<PendingLanding>): Promise<void> {
    this.#landing = { ...this.#landing, ...change };
    await this.#options.file.write(this.#landing);
  }

  /** Nothing of the landing stays when it is over. @returns why it is */
  async #end(error: unknown): Promise<unknown> {
    const { file, invite } = this.#options;
    const reason = joinError(invite.vpn, error, this.#describeReasons() || undefined);
    if (isFinal(reason)) await file.remove();
    return reason;
  }

  #describeReasons(): string {
    return [...this.#reasons].map(([subset, reason]) => `${subset}: ${reason}`).join('; ');
  }
}
