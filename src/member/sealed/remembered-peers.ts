import { z } from 'zod';
import { introduceSchema, maxSealedPeers } from '../../api/direct-messages.ts';
import type { Log } from '../../runtime/log.ts';
import { PeersFile } from '../peers-file.ts';

const { name, subset, chain, ipv4, ipv6, sealedPort } = introduceSchema.shape;

/** The other end of a sealed tunnel, as it was introduced. */
const rememberedPeerSchema = z.object({
  ...{ name, subset, chain, ipv4, ipv6 },
  sealedPort: sealedPort.unwrap(),
});
export type RememberedSealedPeer = z.infer<typeof rememberedPeerSchema>;

export type RememberedSealedPeers = PeersFile<typeof rememberedPeerSchema>;

/** The sealed tunnels of one membership on the disk: `sealed.json`. */
export function rememberedSealedPeers(path: string, log: Log): RememberedSealedPeers {
  const complaint = 'sealed tunnels of before are not known';
  return new PeersFile({
    ...{ path, log, complaint },
    peerSchema: rememberedPeerSchema,
    maxPeers: maxSealedPeers,
  });
}
