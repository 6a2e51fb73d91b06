/** Control messages of this member, for the claim that only its own masters ever speak to it. */
export class ControlCounts {
  readonly #counts = new Map<string, ControlCount>();

  #add(direction: ControlCount['direction'], peer: string, kind: string): void {
    const key = `${direction} ${peer} ${kind}`;
    const count = this.#counts.get(key)?.count ?? 0;
    this.#counts.set(key, { direction, peer, kind, count: count + 1 });
  }

  /** Counts the messages of one session. */
  of(peer: string): {
    readonly onSent: (kind: string) => void;
    readonly onReceived: (kind: string) => void;
  } {
    return {
      onSent: (kind) => this.#add('sent', peer, kind),
      onReceived: (kind) => this.#add('received', peer, kind),
    };
  }

  list(): readonly ControlCount[] {
    return [...this.#counts.values()];
  }
}

export interface ControlCount {
  readonly direction: 'sent' | 'received';
  /** `master:NAME` */
  readonly peer: string;
  readonly kind: string;
  readonly count: number;
}
