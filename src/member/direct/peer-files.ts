import { z } from 'zod';
import { directPathSchema, introduceSchema, maxDirectPeers } from '../../api/direct-messages.ts';
import { describeError } from '../../model/error.ts';
import type { Log } from '../../runtime/log.ts';
import { StateFile } from '../state-file.ts';

const { name, subset, chain, ipv4, ipv6, candidates } = introduceSchema.shape;

/** A member to whom there is or was a direct path, as it was introduced. */
const rememberedPeerSchema = z.object({
  name,
  subset,
  chain,
  ipv4,
  ipv6,
  /** Where it was last; absent when that was never seen. */
  endpoint: candidates.element.optional(),
  relayedBy: directPathSchema.shape.relayedBy,
});
export type RememberedPeer = z.infer<typeof rememberedPeerSchema>;

const peersSchema = z.object({
  version: z.literal(1),
  peers: z.array(rememberedPeerSchema).max(maxDirectPeers),
});

/**
 * The direct peers of one membership on the disk: `peers.json` beside `membership.json`. It is worth
 * less than the membership, which goes through its masters without it.
 */
export class PeerFiles {
  readonly #file: StateFile<typeof peersSchema>;
  readonly #log: Log;

  constructor(path: string, log: Log) {
    this.#file = new StateFile(path, peersSchema);
    this.#log = log;
  }

  /** None when there is no file, or none that can be read. */
  async read(): Promise<readonly RememberedPeer[]> {
    try {
      return (await this.#file.read())?.peers ?? [];
    } catch (error) {
      this.#log.warn({ reason: describeError(error) }, 'direct peers of before are not known');
      return [];
    }
  }

  /** Resolves when they are on the disk, whole. */
  write(peers: readonly RememberedPeer[]): Promise<void> {
    return this.#file.write({ version: 1, peers: [...peers] });
  }
}
