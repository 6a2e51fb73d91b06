import { z } from 'zod';
import { directPathSchema, introduceSchema, maxDirectPeers } from '../../api/direct-messages.ts';
import type { Log } from '../../runtime/log.ts';
import { PeersFile } from '../peers-file.ts';

const { name, subset, chain, ipv4, ipv6, candidates } = introduceSchema.shape;

/** A member to whom there is or was a direct path, as it was introduced. */
const rememberedPeerSchema = z.object({
  ...{ name, subset, chain, ipv4, ipv6 },
  /** Where it was last; absent when that was never seen. */
  endpoint: candidates.element.optional(),
  relayedBy: directPathSchema.shape.relayedBy,
});
export type RememberedPeer = z.infer<typeof rememberedPeerSchema>;

export type RememberedPeers = PeersFile<typeof rememberedPeerSchema>;

/** The direct peers of one membership on the disk: `peers.json`. */
export function rememberedPeers(path: string, log: Log): RememberedPeers {
  const complaint = 'direct peers of before are not known';
  return new PeersFile({
    ...{ path, log, complaint },
    peerSchema: rememberedPeerSchema,
    maxPeers: maxDirectPeers,
  });
}
