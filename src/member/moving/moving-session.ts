import type { MoveMessage } from '../../api/move-messages.ts';
import type { ControlConnection } from '../control-connection.ts';
import type { Mover } from './mover.ts';

export interface MovingSessionOptions {
  readonly mover: Mover;
  readonly connection: ControlConnection;
}

/** What is said of moving in one session: nothing, to a master that gives no order. */
export class MovingSession implements Disposable {
  readonly #options: MovingSessionOptions;
  readonly #forget: () => void;
  /** Of the order that has no answer yet. */
  #inviteId: string | undefined;

  constructor(options: MovingSessionOptions) {
    this.#options = options;
    this.#forget = options.mover.onChange(() => this.#answer());
  }

  /** The order may have been given before, and been carried out meanwhile: then it is answered at once. */
  take(message: MoveMessage): void {
    this.#inviteId = this.#options.mover.take(message);
    this.#answer();
  }

  [Symbol.dispose](): void {
    this.#forget();
  }

  #answer(): void {
    if (this.#inviteId === undefined) return;
    const report = this.#options.mover.report(this.#inviteId);
    if (!report) return;
    this.#inviteId = undefined;
    this.#options.connection.send(report);
  }
}
