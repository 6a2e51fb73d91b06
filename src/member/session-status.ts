import type { SessionState } from '../api/member-local.ts';
import { describeError, HanseError } from '../model/error.ts';
import type { MasterName } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { MemberError } from './member-error.ts';

export interface LoopStatus {
  readonly state: SessionState;
  readonly sinceMs: number;
  readonly master?: MasterName;
  readonly lastError?: string;
  readonly reconnects: number;
}

/** Where a membership's session stands, for `hanse status` and the log. */
export class SessionStatus {
  readonly #membership: string;
  readonly #dependencies: { readonly clock: Clock; readonly log: Log };
  #now: LoopStatus;

  constructor(membership: string, dependencies: { readonly clock: Clock; readonly log: Log }) {
    this.#membership = membership;
    this.#dependencies = dependencies;
    const sinceMs = dependencies.clock.nowMs();
    this.#now = { state: 'connecting', sinceMs, reconnects: 0 };
  }

  get now(): LoopStatus {
    return this.#now;
  }

  enter(state: SessionState, master?: MasterName): void {
    const { lastError, reconnects } = this.#now;
    this.#now = {
      state,
      sinceMs: this.#dependencies.clock.nowMs(),
      reconnects,
      ...(master === undefined ? {} : { master }),
      // A session that is live has overcome whatever went before.
      ...(lastError === undefined || state === 'live' ? {} : { lastError }),
    };
    const fields = { membership: this.#membership, state, master };
    // Who governs a member at the time is what its operator looks for in a log; the way there is not.
    this.#dependencies.log[state === 'live' ? 'info' : 'debug'](fields, 'session');
  }

  /** Another round of attempts begins. */
  countReconnect(): void {
    this.#now = { ...this.#now, reconnects: this.#now.reconnects + 1 };
  }

  failed(error: unknown): void {
    this.#now = { ...this.#now, lastError: describeError(error) };
    const code = error instanceof HanseError ? error.code : 'unknown';
    const fields = { membership: this.#membership, code };
    const { log } = this.#dependencies;
    // What a master says is no text for `warn` (see `log.ts`).
    if (isExpected(error)) log.debug({ ...fields, err: error }, 'session ended');
    else log.warn(fields, 'session ended');
  }
}

/** Masters come and go; what else ends a session somebody should know of. */
function isExpected(error: unknown): boolean {
  return (
    error instanceof MemberError && (error.code === 'unreachable' || error.code === 'session-lost')
  );
}
