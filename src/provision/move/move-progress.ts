/** `done` of `total` entries; while they are counted there is no total yet, and the two are the same. */
export interface MoveProgress {
  readonly phase: 'counting' | 'writing' | 'verifying';
  readonly done: number;
  readonly total: number;
}

/** Counts one more with each call. */
export function counting(
  phase: MoveProgress['phase'],
  total: number,
  onProgress: (progress: MoveProgress) => void,
): () => void {
  let done = 0;
  return () => {
    done += 1;
    onProgress({ phase, done, total });
  };
}
