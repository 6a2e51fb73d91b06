import { z } from 'zod';
import { describeError } from '../model/error.ts';
import type { Log } from '../runtime/log.ts';
import { StateFile } from './state-file.ts';

export interface PeersFileOptions<S extends z.ZodType> {
  readonly path: string;
  readonly peerSchema: S;
  readonly maxPeers: number;
  readonly log: Log;
  /** What is said when the file cannot be read. */
  readonly complaint: string;
}

/**
 * Other members on the disk, as they were introduced to one membership: beside `membership.json`, and
 * worth less than that, for without the file they are introduced anew.
 */
export class PeersFile<S extends z.ZodType> {
  readonly #file: StateFile<z.ZodType<{ version: 1; peers: z.infer<S>[] }>>;
  readonly #log: Log;
  readonly #complaint: string;

  constructor({ path, peerSchema, maxPeers, log, complaint }: PeersFileOptions<S>) {
    const peers = z.array(peerSchema).max(maxPeers);
    this.#file = new StateFile(path, z.object({ version: z.literal(1), peers }));
    this.#log = log;
    this.#complaint = complaint;
  }

  /** None when there is no file, or none that can be read. */
  async read(): Promise<readonly z.infer<S>[]> {
    try {
      return (await this.#file.read())?.peers ?? [];
    } catch (error) {
      this.#log.warn({ reason: describeError(error) }, this.#complaint);
      return [];
    }
  }

  /** Resolves when they are on the disk, whole. */
  write(peers: readonly z.infer<S>[]): Promise<void> {
    return this.#file.write({ version: 1, peers: [...peers] });
  }
}
