import type { MemberName } from '../model/names.ts';
import type { InviteClaims } from '../trust/invite-token.ts';
import type { JoinOptions } from './join.ts';
import type { JoinProgress } from './join-progress.ts';
import type { MemberEntry } from './member-entry.ts';
import type { MembershipState } from './membership-files.ts';

/** Who wants to join, and with what. */
export interface JoinRequest {
  readonly token: string;
  readonly name: MemberName;
  readonly invite: InviteClaims;
  /** Told how far it is, when its subset is not known yet. */
  readonly progress: JoinProgress;
  /** What is there again when the join fails. */
  readonly before: MemberEntry | undefined;
}

/** A join that is under way. */
export interface JoinTask {
  readonly start: (signal: AbortSignal) => Promise<MembershipState>;
  /** Nothing of it stays, when it was given up. */
  readonly drop: () => Promise<void>;
}

/** What is presented, and until when. */
export interface JoinAttempt
  extends Pick<JoinOptions, 'invite' | 'pending' | 'claim' | 'patienceMs'> {
  readonly signal: AbortSignal;
}
