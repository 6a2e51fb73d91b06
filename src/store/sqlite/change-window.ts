import type { Change } from '../store.ts';
import { keyOf, revisionOf } from './change-log.ts';

export interface ChangeWindowLimits {
  readonly maxChanges: number;
  readonly maxBytes: number;
}

/** Beside key and value: what a change costs in memory, roughly. */
const overheadBytes = 200;

/**
 * The newest changes, in memory: all of those after `start` up to and including `head`, read from
 * the log once and shared by all watches. Its size is bounded, and a watch that has fallen behind
 * `start` reads the log itself: so slow consumers cost no memory.
 */
export class ChangeWindow {
  readonly #limits: ChangeWindowLimits;
  #changes: Change[] = [];
  #bytes = 0;
  #start: number;
  #head: number;

  constructor(revision: number, limits: ChangeWindowLimits) {
    this.#start = revision;
    this.#head = revision;
    this.#limits = limits;
  }

  get start(): number {
    return this.#start;
  }

  get head(): number {
    return this.#head;
  }

  /** @param changes all of those after the old head up to and including the new one, in order */
  append(changes: readonly Change[], head: number): void {
    for (const change of changes) {
      this.#changes.push(change);
      this.#bytes += bytesOf(change);
    }
    this.#head = head;
    if (this.#changes.length > this.#limits.maxChanges || this.#bytes > this.#limits.maxBytes)
      this.#shrink();
  }

  /** Forgets the changes up to and including the revision; those beyond the head are yet to come. */
  dropThrough(revision: number): void {
    if (revision <= this.#start) return;
    const kept = this.#indexAfter(revision);
    this.#bytes -= sum(this.#changes.slice(0, kept));
    this.#changes = this.#changes.slice(kept);
    this.#start = revision;
    this.#head = Math.max(this.#head, revision);
  }

  /** The changes after the revision, which must not be before `start`. */
  changesAfter(revision: number): readonly Change[] {
    return this.#changes.slice(this.#indexAfter(revision));
  }

  /** To half of the limits, so that it is not done again with the next change. */
  #shrink(): void {
    const maxBytes = this.#limits.maxBytes / 2;
    const maxDropped = this.#changes.length - this.#limits.maxChanges / 2;
    let bytes = this.#bytes;
    let through = this.#start;
    for (const [index, change] of this.#changes.entries()) {
      if (index >= maxDropped && bytes <= maxBytes) break;
      bytes -= bytesOf(change);
      through = revisionOf(change);
    }
    this.dropThrough(through);
  }

  /** The index of the first change after the revision, by bisection. */
  #indexAfter(revision: number): number {
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const change = this.#changes[middle];
      if (change !== undefined && revisionOf(change) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function bytesOf(change: Change): number {
  const valueBytes = change.kind === 'put' ? change.entry.value.byteLength : 0;
  return overheadBytes + keyOf(change).length + valueBytes;
}

function sum(changes: readonly Change[]): number {
  return changes.reduce((bytes, change) => bytes + bytesOf(change), 0);
}
