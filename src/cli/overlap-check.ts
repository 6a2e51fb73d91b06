import { HostError } from '../host/host-error.ts';
import { assertNoOverlap } from '../host/network-overlap.ts';
import { createRunner } from '../host/runner.ts';
import type { Prefix } from '../model/prefix.ts';
import type { Output } from './terminal.ts';

/**
 * Refuses prefixes that this machine uses already. Where the machine cannot be asked, as on an
 * operator's laptop without iproute2, it says so and goes on: the daemons look again.
 * @throws HostError `overlap`
 */
export async function refuseOverlap(prefixes: readonly Prefix[], warnings: Output): Promise<void> {
  try {
    await assertNoOverlap(prefixes, new Set(), createRunner());
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    if (error.code === 'overlap') {
      throw new HostError(`${error.message}, or add --force when that is meant`, {
        code: 'overlap',
        fields: error.fields,
        cause: error,
      });
    }
    warnings.write(`hanse: this machine's own networks were not looked at: ${error.message}\n`);
  }
}
