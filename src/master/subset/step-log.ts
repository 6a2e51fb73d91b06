import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';

/** Tells the steps of something that takes several, each with the time since the one before. */
export class StepLog {
  readonly #fields: Readonly<Record<string, string>>;
  readonly #clock: Clock;
  readonly #log: Log;
  #sinceMs: number;

  constructor(
    fields: Readonly<Record<string, string>>,
    { clock, log }: { readonly clock: Clock; readonly log: Log },
  ) {
    this.#fields = fields;
    this.#clock = clock;
    this.#log = log;
    this.#sinceMs = clock.monotonicMs();
  }

  /** @param step a constant sentence, what was done */
  done(step: string, fields: Readonly<Record<string, string>> = {}): void {
    const nowMs = this.#clock.monotonicMs();
    const tookMs = Math.round((nowMs - this.#sinceMs) * 10) / 10;
    this.#sinceMs = nowMs;
    this.#log.info({ ...this.#fields, ...fields, tookMs }, step);
  }
}
