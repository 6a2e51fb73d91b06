import type { MemberName } from '../model/names.ts';
import type { InviteClaims } from '../trust/invite-token.ts';
import type { JoinProgress } from './join-progress.ts';
import type { MembershipState, Tombstone } from './membership-files.ts';
import type { MembershipLoop } from './membership-loop.ts';

/** Where one membership of this member stands. */
export type MemberEntry =
  | {
      readonly kind: 'joining';
      readonly invite: InviteClaims;
      readonly name: MemberName;
      readonly token: string;
      readonly sinceMs: number;
      readonly joined: Promise<MembershipState>;
      readonly progress: JoinProgress;
      /** Gives the join up and forgets it. */
      readonly cancel: () => Promise<void>;
    }
  | { readonly kind: 'running'; readonly loop: MembershipLoop }
  | { readonly kind: 'ended'; readonly tombstone: Tombstone };
