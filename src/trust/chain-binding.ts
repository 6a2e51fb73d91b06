import { blocksOfAuthority } from './authority-certificate.ts';
import { identityOfLeaf } from './leaf-certificate.ts';
import type { MemberAddresses, SubsetBlocks } from './member-addresses.ts';

/** What a member's chain binds; each is absent where the certificate is of an earlier version. */
export interface ChainBinding {
  readonly addresses?: MemberAddresses;
  readonly blocks?: SubsetBlocks;
}

/**
 * Reads what a chain binds that is verified already, or whose verifying is left to whoever gets it:
 * `verifyChain` reads the same of one that is to be believed.
 * @throws TrustError `malformed`, `no-name`, `extra-name`, `wrong-use`
 */
export function readBinding([leaf = '', authority = '']: readonly string[]): ChainBinding {
  const { addresses } = identityOfLeaf(leaf);
  const blocks = blocksOfAuthority(authority);
  return { ...(addresses ? { addresses } : {}), ...(blocks ? { blocks } : {}) };
}
