import { z } from 'zod';
import { introduceSchema, maxSealedPeers } from '../../api/direct-messages.ts';
import { describeError } from '../../model/error.ts';
import type { Log } from '../../runtime/log.ts';
import { StateFile } from '../state-file.ts';

const { name, subset, chain, ipv4, ipv6, sealedPort } = introduceSchema.shape;

/** The other end of a sealed tunnel, as it was introduced. */
const rememberedPeerSchema = z.object({
  ...{ name, subset, chain, ipv4, ipv6 },
  sealedPort: sealedPort.unwrap(),
});
export type RememberedSealedPeer = z.infer<typeof rememberedPeerSchema>;

const peersSchema = z.object({
  version: z.literal(1),
  peers: z.array(rememberedPeerSchema).max(maxSealedPeers),
});

/** The sealed tunnels of one membership on the disk: `sealed.json` beside `membership.json`. */
export class SealedFiles {
  readonly #file: StateFile<typeof peersSchema>;
  readonly #log: Log;

  constructor(path: string, log: Log) {
    this.#file = new StateFile(path, peersSchema);
    this.#log = log;
  }

  /** None when there is no file, or none that can be read: they are sought again. */
  async read(): Promise<readonly RememberedSealedPeer[]> {
    try {
      return (await this.#file.read())?.peers ?? [];
    } catch (error) {
      this.#log.warn({ reason: describeError(error) }, 'sealed tunnels of before are not known');
      return [];
    }
  }

  /** Resolves when they are on the disk, whole. */
  write(peers: readonly RememberedSealedPeer[]): Promise<void> {
    return this.#file.write({ version: 1, peers: [...peers] });
  }
}
