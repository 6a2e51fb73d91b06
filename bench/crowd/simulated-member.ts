import { setTimeout as delay } from 'node:timers/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { WebSocket } from 'ws';
import type {
  GroupKeyView,
  MasterMessage,
  MemberMessage,
  Place,
  View,
} from '../../src/api/messages.ts';
import { orderFor } from '../../src/core/member-masters.ts';
import { type MemberName, parseMemberName } from '../../src/model/names.ts';
import { parseAddress } from '../../src/model/prefix.ts';
import type { Epoch, WireguardPublicKey } from '../../src/model/wireguard-key.ts';
import {
  createIdentityKeyPair,
  createSelfSigned,
} from '../../src/trust/self-signed-certificate.ts';
import { createWireguardKeyPair } from '../../src/trust/wireguard-keys.ts';
import { type CrowdTarget, type MasterTarget, masterTargetOf } from './crowd-target.ts';
import { findSession, type KnownMasters } from './find-session.ts';
import { monotonicMs } from './monotonic-ms.ts';
import { fetchTicket, openSession } from './open-session.ts';

export interface SimulatedMemberOptions {
  readonly name: string;
  readonly target: CrowdTarget;
  /** Each member of a crowd comes from an address of its own. */
  readonly sourceAddress: string;
  /** Told of every key of the subset, once, as it comes. */
  readonly onKey?: (epoch: Epoch) => void;
  /** Present for a member that says how it is reached directly: told whenever a master introduces another one. */
  readonly onIntroduced?: () => void;
  /** Present for a member that looks for another session when it has lost one. */
  readonly presence?: PresenceListener;
}

export interface PresenceListener {
  /** A session is over that the member did not end itself. */
  lost(): void;
  /** A master serves it again. */
  found(): void;
}

/** Of those who joined and do come back; ten thousand of others would be most of a process's memory. */
interface Credentials {
  readonly privateKey: string;
  /** PEM, its own certificate first. */
  readonly chain: string;
}

/** What came of the first word of a session. */
type Outcome = 'taken' | 'try-again' | Error;

/** A real member waits about as long before its second attempt. */
const retryMs = 200;
/** Longer than a master waits for its store before it refuses. */
const attemptTimeoutMs = 10_000;
/** Nobody who joins for so long without an answer ever will. */
const patienceMs = 120_000;
/** Where nobody is (RFC 5737). */
const directAddress = parseAddress('192.0.2.1');
const directPort = 40_000;
/** What a WebSocket says of a connection that ended without a farewell (RFC 6455 §7.4.1). */
const abnormalClosure = 1006;

/**
 * The control half of a member: what it says and when is what `src/member` does; it applies nothing
 * and acknowledges at once.
 */
export class SimulatedMember {
  readonly name: MemberName;
  readonly #options: SimulatedMemberOptions;
  readonly #wireguardKey: WireguardPublicKey;
  readonly #left = new AbortController();
  #credentials: Credentials | undefined;
  /** Of the newest certificate; made before the clock of a join starts. Gone after it when the member does not come back. */
  #secureContext: SecureContext | undefined;
  /** By the master's name. */
  readonly #tickets = new Map<string, Buffer>();
  #session: WebSocket | undefined;
  #place: Place | undefined;
  /** Of the newest key. */
  #epoch: Epoch | 0 = 0;
  #known: Omit<KnownMasters, 'lost'> | undefined;
  /** Of renewals that were asked for and not answered, the oldest first. */
  #renewals: ((answeredMs: number) => void)[] = [];

  constructor(options: SimulatedMemberOptions) {
    this.name = parseMemberName(options.name);
    this.#options = options;
    this.#wireguardKey = createWireguardKeyPair().publicKey;
    const keyPair = createIdentityKeyPair();
    this.#credentials = {
      privateKey: keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      chain: createSelfSigned(keyPair),
    };
    this.#secureContext = this.#createSecureContext();
  }

  /** Who it is in the VPN; undefined before it was admitted. */
  get place(): Place | undefined {
    return this.#place;
  }

  /**
   * Asks the masters in turn until one has admitted it. @returns how often it had to ask again
   * @throws Error when it is refused for good, or nobody admits it in two minutes
   */
  async join(token: string): Promise<number> {
    const { masters } = this.#options.target;
    const keys = { acting: this.#wireguardKey };
    const message: MemberMessage = { type: 'join', token, name: this.name, keys };
    const endsAtMs = performance.now() + patienceMs;
    for (let attempts = 0; performance.now() < endsAtMs; attempts += 1) {
      const master = masters[attempts % masters.length];
      if (!master) break;
      const outcome = await this.#begin(master, message);
      if (outcome instanceof Error) throw outcome;
      if (outcome === 'taken') return attempts;
      if ((attempts + 1) % masters.length === 0) await delay(retryMs);
    }
    throw new Error(`nobody admits ${this.name}`);
  }

  /**
   * Asks for a younger certificate.
   * @returns how long the answer took, milliseconds; Infinity when the session ended before
   */
  async renew(): Promise<number> {
    const askedMs = monotonicMs();
    const answeredMs = await new Promise<number>((resolve) => {
      if (!this.#session) return resolve(Infinity);
      this.#renewals.push(resolve);
      this.#send({ type: 'renew' });
    });
    return answeredMs - askedMs;
  }

  /** Gets a ticket of the master to which it would turn next. @throws Error when none comes */
  async fetchTicket(): Promise<void> {
    const next = this.#known?.masters[1];
    const secureContext = this.#secureContext;
    if (!next || !secureContext) return;
    const { sourceAddress } = this.#options;
    this.#tickets.set(next.dnsName, await fetchTicket(next, { secureContext, sourceAddress }));
  }

  /** Leaves the connection, not the VPN, and does not come back. */
  disconnect(): void {
    this.#left.abort();
    this.#session?.close(1000);
  }

  /** Opens a session with its first word. @returns what the master made of it */
  async #begin(master: MasterTarget, message: MemberMessage): Promise<Outcome> {
    const secureContext = this.#secureContext;
    if (!secureContext) throw new Error(`${this.name} does not come back`);
    const { sourceAddress } = this.#options;
    const ticket = this.#tickets.get(master.dnsName);
    this.#tickets.delete(master.dnsName);
    const session = await openSession(master, { secureContext, sourceAddress, ticket }).catch(
      () => undefined,
    );
    if (!session) return 'try-again';
    this.#session = session;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    session.on('message', (data) => this.#take(JSON.parse(data.toString()), resolve));
    session.once('close', () => resolve('try-again'));
    const timer = setTimeout(() => session.terminate(), attemptTimeoutMs);
    this.#send(message);
    const outcome = await promise;
    clearTimeout(timer);
    if (outcome === 'taken') session.once('close', (code) => void this.#lose(master, code));
    return outcome;
  }

  #take(message: MasterMessage, settle: (outcome: Outcome) => void): void {
    if (message.type === 'refused') settle(this.#refusalOf(message));
    else if (message.type === 'admitted') {
      this.#place = message.place;
      this.#keepChain(message.chain);
      this.#takeView(message.view);
      if (this.#options.onIntroduced) this.#sayWhereItIs(message);
      else if (this.#options.presence) this.#sayThatItSpreads(message);
      settle('taken');
    } else if (message.type === 'introduce') this.#options.onIntroduced?.();
    else if (message.type === 'view') {
      this.#takeView(message.view);
      settle('taken');
    } else if (message.type === 'key-changed') this.#acknowledge(message);
    else if (message.type === 'spread') this.#takeSpread(message);
    else if (message.type === 'renewed') {
      this.#keepChain(message.chain);
      this.#renewals.shift()?.(monotonicMs());
    }
  }

  #sayWhereItIs({ view, chain }: Extract<MasterMessage, { type: 'admitted' }>): void {
    const { revision: appliedRevision, key } = view;
    const contact = { port: directPort, addresses: [directAddress], peers: [], chain };
    this.#send({ type: 'hello', appliedRevision, appliedEpoch: key.epoch, direct: contact });
  }

  #sayThatItSpreads({ view }: Extract<MasterMessage, { type: 'admitted' }>): void {
    const { revision: appliedRevision, key } = view;
    this.#send({ type: 'hello', appliedRevision, appliedEpoch: key.epoch, spreads: true });
  }

  #takeSpread({ spreadMs }: Extract<MasterMessage, { type: 'spread' }>): void {
    if (this.#known) this.#known = { ...this.#known, spreadMs };
  }

  #refusalOf({ code, message, retryable }: Extract<MasterMessage, { type: 'refused' }>): Outcome {
    return retryable ? 'try-again' : new Error(`${this.name} was refused: ${code}: ${message}`);
  }

  async #lose(lost: MasterTarget, closeCode: number): Promise<void> {
    this.#session = undefined;
    for (const answer of this.#renewals) answer(Infinity);
    this.#renewals = [];
    const { presence } = this.#options;
    if (!presence || !this.#known || this.#left.signal.aborted) return;
    presence.lost();
    const spreadMs = closeCode === abnormalClosure ? this.#known.spreadMs : 0;
    const { masters } = this.#known;
    const resume = (master: MasterTarget): Promise<boolean> => this.#resume(master);
    if (await findSession({ lost, masters, spreadMs }, resume, this.#left.signal)) presence.found();
  }

  /** Says that it has applied nothing, so that a view proves that it is served. */
  async #resume(master: MasterTarget): Promise<boolean> {
    const message: MemberMessage = { type: 'hello', appliedRevision: 0, appliedEpoch: 0 };
    return (await this.#begin(master, message)) === 'taken';
  }

  #createSecureContext(): SecureContext {
    if (!this.#credentials) throw new Error(`${this.name} does not come back`);
    const { privateKey: key, chain: cert } = this.#credentials;
    const { rootCertificate: ca } = this.#options.target;
    return createSecureContext({ key, cert, ca, minVersion: 'TLSv1.3' });
  }

  #keepChain(chain: readonly string[]): void {
    if (!this.#options.presence) {
      this.#credentials = undefined;
      this.#secureContext = undefined;
    } else if (this.#credentials) {
      this.#credentials = { ...this.#credentials, chain: chain.join('\n') };
      this.#secureContext = this.#createSecureContext();
    }
  }

  #takeView(view: View): void {
    if (this.#options.presence && this.#place) this.#known = knownMasters(view, this.#place);
    this.#acknowledge(view);
  }

  #acknowledge({ revision, key }: { readonly revision: number; readonly key: GroupKeyView }): void {
    if (key.epoch > this.#epoch) {
      this.#epoch = key.epoch;
      this.#options.onKey?.(key.epoch);
    }
    this.#send({ type: 'acknowledge', revision, epoch: key.epoch });
  }

  #send(message: MemberMessage): void {
    this.#session?.send(JSON.stringify(message));
  }
}

function knownMasters(
  { acting, backups, orders, spreadMs }: View,
  { vpn, ipv6 }: Place,
): Omit<KnownMasters, 'lost'> {
  const contacts = [acting, ...backups];
  const names = orderFor(
    ipv6,
    orders,
    contacts.map(({ name }) => name),
  );
  const ordered = names.flatMap((name) => contacts.filter((contact) => contact.name === name));
  return { masters: ordered.map((contact) => masterTargetOf(vpn.name, contact)), spreadMs };
}
