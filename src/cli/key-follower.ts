import type { KeyProgress } from '../api/key-progress.ts';

/** What following a new key came to. `cut-off`: the stream broke off before its end. */
export type KeyOutcome = 'applied' | 'not-applied' | 'cut-off';

type Step = { readonly type: string } | KeyProgress;

/**
 * Shows every step of a stream about a new key.
 * @returns whether every connected member has applied it
 */
export async function followKey<Progress extends Step>(
  steps: AsyncIterable<Progress>,
  show: (step: Progress) => void,
): Promise<KeyOutcome> {
  let last: Step | undefined;
  for await (const step of steps) {
    show(step);
    last = step;
  }
  if (!isFinished(last)) return 'cut-off';
  return last.pending.every(({ connected }) => !connected) ? 'applied' : 'not-applied';
}

function isFinished(
  step: Step | undefined,
): step is Extract<KeyProgress, { readonly type: 'finished' }> {
  return step?.type === 'finished';
}
