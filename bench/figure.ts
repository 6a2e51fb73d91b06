/** What a figure has to reach. */
export interface Goal {
  readonly kind: 'at-most' | 'at-least';
  readonly value: number;
}

/** One measured number, a row of the table. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  /** Measured in the same run, to compare with. */
  readonly reference?: { readonly name: string; readonly value: number };
  /** Absent for figures that only inform. */
  readonly goal?: Goal;
  /** How many samples, the spread, whatever the number alone would hide. */
  readonly detail?: string;
}

/** Undefined when there is nothing to reach. */
export function isReached({ goal, value }: Figure): boolean | undefined {
  if (!goal) return undefined;
  return goal.kind === 'at-most' ? value <= goal.value : value >= goal.value;
}
