import type { DirectContact } from '../../api/direct-messages.ts';
import type { MasterMessage } from '../../api/messages.ts';
import type { MasterName } from '../../model/names.ts';
import type { Address } from '../../model/prefix.ts';
import type { Clock } from '../../runtime/clock.ts';
import { LatestLoop } from '../../runtime/latest-loop.ts';
import type { ControlConnection } from '../control-connection.ts';
import type { Membership } from '../membership.ts';

export interface DirectSessionOptions {
  readonly membership: Membership;
  /** At the other end. */
  readonly master: MasterName;
  readonly connection: ControlConnection;
}

/** A machine that moves to another network has other addresses within moments, and waits for a path. */
const addressesEveryMs = 3_000;
/** A connection from an address that the machine has no more would show it in 45 s, by its heartbeats. */
const movedCheckMs = 2_000;

export type DirectMessage = Extract<
  MasterMessage,
  { type: 'meet' | 'introduce' | 'withdraw' | 'report-paths' }
>;

export function isDirectMessage(message: MasterMessage): message is DirectMessage {
  const { type } = message;
  return type === 'meet' || type === 'introduce' || type === 'withdraw' || type === 'report-paths';
}

/** What is said of direct paths in one session. A master that introduces nobody hears nothing of them. */
export class DirectSession implements Disposable {
  readonly #options: DirectSessionOptions;
  readonly #reports = new LatestLoop(() => this.#report());
  readonly #forget: () => void;
  #isIntroducing = false;
  /** What the last `hello` said, in all and of this machine's addresses. */
  #said = '';
  #saidAddresses = '';

  constructor(options: DirectSessionOptions) {
    this.#options = options;
    const { direct, sealed } = options.membership.peers;
    direct.showAnew();
    const forgets = [
      direct.onChange(() => this.#maybeReport()),
      sealed.seekBy((addresses) => this.#seek(addresses)),
    ];
    this.#forget = () => {
      for (const forget of forgets) forget();
    };
  }

  /** Whether the master brings members together. */
  get isIntroducing(): boolean {
    const { membership, master } = this.#options;
    return this.#isIntroducing || membership.introduces(master);
  }

  /** What `hello` is to say now. */
  contact(): DirectContact | undefined {
    const { membership, master } = this.#options;
    const contact = membership.introduces(master) ? membership.peers.contact : undefined;
    this.#said = reachOf(contact);
    this.#saidAddresses = contact?.addresses.join() ?? '';
    return contact;
  }

  /** Resolves when it is done: what follows in the session builds on it. @throws HostError */
  async take(message: DirectMessage): Promise<void> {
    const { membership, master } = this.#options;
    this.#isIntroducing ||= message.type !== 'withdraw';
    switch (message.type) {
      case 'meet':
        return membership.meet(master);
      case 'introduce':
        return await membership.exclusively(() => membership.peers.introduce(message, master));
      case 'withdraw':
        return await membership.exclusively(() => membership.peers.withdraw(message.peers));
      case 'report-paths':
        await this.#reports.request();
    }
  }

  /**
   * Has `hello` said again whenever this machine is to be reached elsewhere, or the master has begun to
   * introduce members. A session that does not get there from other addresses is ended: a new one does.
   * @throws the signal's reason
   */
  async watchAddresses(clock: Clock, sayHello: () => void, signal: AbortSignal): Promise<void> {
    const { membership, master, connection } = this.#options;
    for (;;) {
      await clock.sleep(addressesEveryMs, signal);
      if (!membership.introduces(master)) continue;
      await membership.peers.direct.refreshAddresses();
      const before = this.#saidAddresses;
      if (!this.hasMoved) continue;
      sayHello();
      const isElsewhere = before !== '' && before !== this.#saidAddresses;
      if (isElsewhere) void connection.check(movedCheckMs);
    }
  }

  /** Whether this machine is to be reached elsewhere, or otherwise, than the last `hello` has said. */
  get hasMoved(): boolean {
    const { membership, master } = this.#options;
    return membership.introduces(master) && reachOf(membership.peers.contact) !== this.#said;
  }

  [Symbol.dispose](): void {
    this.#forget();
  }

  #seek(addresses: readonly Address[]): void {
    if (this.isIntroducing) {
      this.#options.connection.send({ type: 'seek', addresses: [...addresses] });
    }
  }

  #maybeReport(): void {
    if (this.isIntroducing) void this.#reports.request();
  }

  async #report(): Promise<void> {
    const { membership, connection } = this.#options;
    const paths = await membership.peers.direct.report();
    const held = [...membership.peers.held];
    connection.send({ type: 'paths', paths: [...paths], held });
  }
}

/** Where the member is to be reached, to be compared; empty for nowhere. */
function reachOf(contact: DirectContact | undefined): string {
  return contact ? [contact.port, contact.sealedPort, ...contact.addresses].join() : '';
}
