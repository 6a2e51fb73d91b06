import type { OperatorClient } from '../../api/client/operator-client.ts';
import { type RotationProgress, rotateKey } from '../../api/key-endpoints.ts';
import { describeError, InvalidInputError } from '../../model/error.ts';
import type { SubsetName } from '../../model/names.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import type { ExitCode } from '../exit-code.ts';
import { followKey } from '../key-follower.ts';
import { asOperator } from '../operator-session.ts';
import { writeJsonLine } from '../output/json.ts';
import { RotationReport } from '../output/rotation-report.ts';
import { requireSubset, subsetsToList } from '../subset-lookup.ts';

export interface RotateOptions extends OperatorOptions, ListingOptions {
  readonly wait: number;
  readonly all?: boolean;
}

interface Rotation {
  readonly client: OperatorClient;
  readonly options: RotateOptions;
  readonly context: CommandContext;
}

/** Rotates the keys of those subsets, or of all; of none when one of them is unknown. */
export function rotateAction(
  subsets: readonly string[],
  options: RotateOptions,
  context: CommandContext,
): Promise<ExitCode> {
  requireClear(subsets, options);
  return asOperator(options, async (client) => {
    const directory = await client.directory(context.signal);
    const found = options.all
      ? subsetsToList(directory, undefined)
      : subsets.map((subset) => requireSubset(directory, subset));
    const [first, ...others] = new Set(found.map(({ name }) => name));
    if (first === undefined) {
      context.terminal.err.write('there is no subset yet\n');
      return 0;
    }
    const rotation = { client, options, context };
    if (others.length === 0) return (await rotateOne(rotation, first)) ? 0 : 1;
    return (await rotateEach(rotation, [first, ...others])) ? 0 : 1;
  });
}

function requireClear(subsets: readonly string[], { all }: RotateOptions): void {
  if (!all && subsets.length === 0) {
    throw new InvalidInputError(
      'say whose key to rotate: SUBSET, or --all; `hanse key status` shows them',
    );
  }
  if (all && subsets.length > 0) throw new InvalidInputError('give either subsets or --all');
}

/** @returns whether every connected member of all of them has applied its new key */
async function rotateEach(rotation: Rotation, subsets: readonly SubsetName[]): Promise<boolean> {
  const { signal, terminal } = rotation.context;
  let applied = true;
  for (const subset of subsets) {
    try {
      applied = (await rotateOne(rotation, subset)) && applied;
    } catch (error) {
      if (signal.aborted) throw error;
      // One subset out of reach must not keep the others from a new key.
      terminal.err.write(`hanse: the key of ${subset} is NOT rotated: ${describeError(error)}\n`);
      applied = false;
    }
  }
  return applied;
}

/** @returns whether every connected member has applied it */
async function rotateOne(
  { client, options, context }: Rotation,
  subset: SubsetName,
): Promise<boolean> {
  const { terminal, signal } = context;
  const report = new RotationReport(terminal.out, subset);
  const input = { params: { subset }, body: { waitMs: options.wait } };
  const steps = client.stream(rotateKey, input, { signal });
  const outcome = await followKey<RotationProgress>(steps, (progress) => {
    if (options.json) writeJsonLine(terminal.out, { subset, ...progress });
    else report.add(progress);
  });
  if (outcome === 'cut-off') {
    terminal.err.write(
      `hanse: the master stopped telling about the new key of ${subset}; ` +
        `\`hanse key status ${subset}\` shows who has applied it\n`,
    );
  }
  return outcome === 'applied';
}
