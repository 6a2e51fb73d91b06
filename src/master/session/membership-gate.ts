import type { AdmittedMessage, JoinMessage, RefusalCode, View } from '../../api/messages.ts';
import type { MoveReport } from '../../api/move-messages.ts';
import type { LandMessage } from '../../api/placing-messages.ts';
import { HanseError } from '../../model/error.ts';
import type { SubsetName } from '../../model/names.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { Caller } from '../http/caller.ts';
import type { MemberSession, SessionMember } from './member-session.ts';

/** What a session asks of the subsets. Every method may throw a `HanseError`, whose message is shown. */
export interface MembershipGate {
  join(message: JoinMessage, caller: KnownCaller | StrangerCaller): Promise<JoinOutcome>;
  /** The same for who was placed here. */
  land(message: LandMessage, caller: KnownCaller | StrangerCaller): Promise<JoinOutcome>;
  /** The member that the certificate speaks for, if it is in a roll here. @throws `not-a-member`, `wrong-master` */
  recognise(caller: KnownCaller): Promise<SessionMember>;
  /**
   * A younger certificate for the same keys.
   * @param publicKey the member's identity key, which the TLS handshake has proved
   * @returns the chain, PEM
   */
  renew(member: SessionMember, publicKey: Buffer): Promise<readonly string[]>;
  leave(member: SessionMember): Promise<void>;
  /** What has become of an order to move. @throws `refused` for what proves nothing */
  reportMove(member: SessionMember, report: MoveReport): Promise<void>;
  /** Whether a member of the subset may have a tunnel to who has that key: not to one who has left. */
  mayBeHeld(subset: SubsetName, key: WireguardPublicKey): boolean;
  /** What the member has to know now. @throws `not-a-member` when it is out of the roll by now */
  view(member: SessionMember): View;
}

export type KnownCaller = Extract<Caller, { kind: 'known' }>;
export type StrangerCaller = Extract<Caller, { kind: 'stranger' }>;

export interface JoinOutcome {
  readonly member: SessionMember;
  /** Without the view, which is taken when the session begins. */
  readonly admitted: Omit<AdmittedMessage, 'view'>;
}

/** A membership rule's refusal, on its way to the member. */
export class SessionRefusal extends HanseError<RefusalCode> {}

/** What metrics and live events hear. */
export interface SessionObserver {
  /** @param sender as in `receivedCountSchema` */
  received(sender: string, kind: string): void;
  refused(code: string, message: string): void;
  connected(session: MemberSession): void;
  /** The member has a younger certificate. */
  renewed(session: MemberSession): void;
  disconnected(session: MemberSession, reason: string): void;
}
