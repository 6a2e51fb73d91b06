import type { CandidatesMessage } from '../../api/measuring-messages.ts';
import type { ControlConnection } from '../control-connection.ts';
import type { Measurer } from './measurer.ts';

export interface MeasuringSessionOptions {
  readonly measurer: Measurer;
  readonly connection: ControlConnection;
}

/** What is said of measurements in one session: nothing, to a master that does not ask. */
export class MeasuringSession implements Disposable {
  readonly #options: MeasuringSessionOptions;
  readonly #forget: () => void;
  #isAsked = false;

  constructor(options: MeasuringSessionOptions) {
    this.#options = options;
    this.#forget = options.measurer.onRound(() => this.#report());
  }

  /** What is known already is reported at once: to this master it is new. */
  take({ masters, measuring }: CandidatesMessage): void {
    this.#options.measurer.setCandidates(masters);
    this.#options.measurer.setTerms(
      measuring && {
        intervalMs: measuring.intervalSeconds * 1_000,
        bytesPerDay: measuring.bytesPerDay,
      },
    );
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#report();
  }

  [Symbol.dispose](): void {
    this.#forget();
  }

  #report(): void {
    const { measurer, connection } = this.#options;
    const masters = measurer.report();
    if (this.#isAsked && masters.length > 0) {
      connection.send({ type: 'measurements', masters: [...masters] });
    }
  }
}
