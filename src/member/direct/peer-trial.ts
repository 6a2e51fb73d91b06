import {
  candidateOf,
  nextStep,
  startTrial,
  type Trial,
  tickTrial,
  triedCandidates,
} from '../../core/direct-trial.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { DirectObservation } from '../member-host.ts';

/** What comes after a step: more time for the same candidate, another one, or none. */
export type StepEnd = 'same' | 'other' | 'none';

/**
 * The search for one peer: which candidate is tried, what was heard of the other end meanwhile, and
 * how often the host has been told to put the peer in.
 */
export class PeerTrial {
  readonly #clock: Clock;
  #trial: Trial = startTrial([], false);
  #installation = 0;
  #isStepOver = false;
  #stepSinceMs = 0;
  #isHeardInStep = false;
  #isHeardAtAll = false;
  /** At the end of the step before, since the peer was put in; undefined when that is not known. */
  #receivedBytes: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Numeric `address:port`; undefined while there is only waiting. */
  get candidate(): string | undefined {
    return candidateOf(this.#trial);
  }

  /** All candidates that have had their turn or have it now, the earliest first. */
  get tried(): readonly string[] {
    return triedCandidates(this.#trial);
  }

  /** How often the peer was put in so far, this time included. */
  get installation(): number {
    return this.#installation;
  }

  get isHeardInStep(): boolean {
    return this.#isHeardInStep;
  }

  /** A candidate has had its time: `endStep` is waited for. */
  get isStepOver(): boolean {
    return this.#isStepOver;
  }

  /** Not for what is being tried, nor when the other end has been heard: it may send by what is there already. */
  isWorthwhile({ candidates, relay }: Trial): boolean {
    const isSame =
      candidates.join() === this.#trial.candidates.join() && relay === this.#trial.relay;
    return !isSame && !this.#isHeardAtAll;
  }

  /** What there was is taken down: the next trial begins with a tunnel of its own. */
  putInAnew(): void {
    this.#installation += 1;
    this.#receivedBytes = 0;
  }

  begin(trial: Trial): void {
    this.#isHeardAtAll = false;
    this.#startStep(trial);
  }

  /** The other end has asked. */
  heard(): void {
    this.#isHeardInStep = true;
    this.#isHeardAtAll = true;
  }

  tick(): void {
    if (this.#isStepOver) return;
    const { trial, isOver } = tickTrial(this.#trial);
    this.#trial = trial;
    this.#isStepOver = isOver;
  }

  /** @param seen what WireGuard says now; undefined when it does not answer */
  endStep(seen: DirectObservation | undefined): StepEnd {
    const next = nextStep(this.#trial, this.#isHeardInStep || this.#hasReceived(seen));
    this.#receivedBytes = seen?.receivedBytes;
    if (next === undefined) return 'none';
    const isOther = next.step !== this.#trial.step;
    // A peer to which nothing was sent yet can be given an endpoint as it is.
    if (isOther && this.#trial.step >= 0) this.putInAnew();
    this.#startStep(next);
    return isOther ? 'other' : 'same';
  }

  #startStep(trial: Trial): void {
    this.#trial = trial;
    this.#isStepOver = false;
    this.#isHeardInStep = false;
    this.#stepSinceMs = this.#clock.nowMs();
  }

  /** Whether anything of the other end has come in this step: it may use the path already, and its daemon be slow. */
  #hasReceived(seen: DirectObservation | undefined): boolean {
    if (seen === undefined) return false;
    const { handshakeAtMs = -Infinity, receivedBytes } = seen;
    const sinceWholeSecondMs = Math.floor(this.#stepSinceMs / 1_000) * 1_000;
    if (handshakeAtMs >= sinceWholeSecondMs) return true;
    return this.#receivedBytes !== undefined && receivedBytes > this.#receivedBytes;
  }
}
