import type { Figure } from './figure.ts';

/** A group of figures that are measured together. */
export interface Part {
  /** As `--only` takes it; unique in its suite. */
  readonly name: string;
  readonly summary: string;
  /**
   * - `sandbox`: in a process with a network of its own, where only loopback is.
   * - `here`: in this process, which builds labs.
   */
  readonly place: 'sandbox' | 'here';
  measure(context: PartContext): Promise<readonly Figure[]>;
}

export interface PartContext {
  /** For the part's files, on a disk; removed after it. */
  readonly directory: string;
  /** Tells whoever waits how far it is. */
  readonly progress: (message: string) => void;
  /** For parts that repeat something: how often at most, for a quick look. Absent for as often as they should. */
  readonly runs?: number;
}

/** How often to do what is usually done so often. */
export function runsOf({ runs = Infinity }: Pick<PartContext, 'runs'>, usual: number): number {
  return Math.min(runs, usual);
}
