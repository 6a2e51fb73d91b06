import { directTickMs } from '../../core/direct-trial.ts';

/** In so long a traffic worth noticing has sent something. */
const lookEveryTicks = 250 / directTickMs;

/** Whether the other end sends by a path any more: from one look at WireGuard's counter to the next. */
export class PeerSilence {
  #ticks = 0;
  #receivedBytes: number | undefined;

  tick(): void {
    this.#ticks += 1;
  }

  /** It has been listened for long enough: `look` is waited for. */
  get isDue(): boolean {
    return this.#ticks >= lookEveryTicks;
  }

  /**
   * @param receivedBytes since the peer was put in; undefined when WireGuard does not answer
   * @returns whether nothing has come since the look before; the first one only begins
   */
  look(receivedBytes: number | undefined): boolean {
    const isSilent = receivedBytes === undefined || receivedBytes === this.#receivedBytes;
    this.#receivedBytes = receivedBytes;
    this.#ticks = 0;
    return isSilent;
  }
}
