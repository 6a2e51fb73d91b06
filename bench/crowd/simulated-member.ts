import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, connect, createSecureContext, type SecureContext } from 'node:tls';
import { WebSocket } from 'ws';
import {
  type GroupKeyView,
  type MasterMessage,
  type MemberMessage,
  maxMasterMessageBytes,
  sessionPath,
  sessionProtocol,
} from '../../src/api/messages.ts';
import { type MemberName, parseMemberName } from '../../src/model/names.ts';
import type { WireguardPublicKey } from '../../src/model/wireguard-key.ts';
import {
  createIdentityKeyPair,
  createSelfSigned,
} from '../../src/trust/self-signed-certificate.ts';
import { createWireguardKeyPair } from '../../src/trust/wireguard-keys.ts';
import type { CrowdTarget } from './crowd-protocol.ts';

export interface SimulatedMemberOptions {
  readonly name: string;
  readonly target: CrowdTarget;
  /** Each member comes from an address of its own. */
  readonly sourceAddress: string;
  /** Told of every view of the subset, as it comes. */
  readonly onRevision: (revision: number) => void;
}

/** A real member waits about as long before its second attempt. */
const retryMs = 200;

/**
 * The control half of a member: what it says and when is what `src/member` does; it applies nothing
 * and acknowledges at once.
 */
export class SimulatedMember {
  readonly name: MemberName;
  readonly #options: SimulatedMemberOptions;
  readonly #wireguardKey: WireguardPublicKey;
  #credentials: SecureContext | undefined;
  #session: WebSocket | undefined;

  constructor(options: SimulatedMemberOptions) {
    this.name = parseMemberName(options.name);
    this.#options = options;
    this.#wireguardKey = createWireguardKeyPair().publicKey;
    const keyPair = createIdentityKeyPair();
    this.#credentials = createSecureContext({
      key: keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      cert: createSelfSigned(keyPair),
      ca: options.target.rootCertificate,
      minVersion: 'TLSv1.3',
    });
  }

  /**
   * Asks until the master has admitted it. @returns how often it was asked to come back later
   * @throws Error when it is refused for good
   */
  async join(token: string): Promise<number> {
    for (let retries = 0; ; retries += 1) {
      if (await this.#tryToJoin(token)) {
        // Ten thousand of them would be most of this process's memory.
        this.#credentials = undefined;
        return retries;
      }
      await delay(retryMs);
    }
  }

  /** @returns false when the master is worth asking again */
  async #tryToJoin(token: string): Promise<boolean> {
    const session = await this.#connect();
    this.#session = session;
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    session.on('message', (data) => this.#take(JSON.parse(data.toString()), { resolve, reject }));
    session.once('close', () => resolve(false));
    this.#send({ type: 'join', token, name: this.name, keys: { acting: this.#wireguardKey } });
    return promise;
  }

  /** Leaves the connection, not the VPN. */
  disconnect(): void {
    this.#session?.close(1000);
  }

  async #connect(): Promise<WebSocket> {
    const { target, sourceAddress } = this.#options;
    const secureContext = this.#credentials;
    if (!secureContext) throw new Error(`${this.name} has joined already`);
    // Node passes it on to the socket; its types forget it.
    const options: ConnectionOptions & { localAddress: string } = {
      host: target.host,
      port: target.port,
      localAddress: sourceAddress,
      servername: target.dnsName,
      ALPNProtocols: ['http/1.1'],
      secureContext,
    };
    const socket = connect(options);
    await once(socket, 'secureConnect');
    const session = new WebSocket(`ws://${target.host}${sessionPath}`, sessionProtocol, {
      createConnection: () => socket,
      perMessageDeflate: false,
      maxPayload: maxMasterMessageBytes,
    });
    // A broken connection is told by its close as well.
    session.on('error', () => undefined);
    await once(session, 'open');
    return session;
  }

  #take(
    message: MasterMessage,
    { resolve, reject }: { resolve(admitted: boolean): void; reject(why: Error): void },
  ): void {
    if (message.type === 'refused') {
      if (message.retryable) resolve(false);
      else reject(new Error(`${this.name} was refused: ${message.message}`));
    } else if (message.type === 'admitted') {
      this.#acknowledge(message.view);
      resolve(true);
    } else if (message.type === 'view') this.#acknowledge(message.view);
    else if (message.type === 'key-changed') this.#acknowledge(message);
  }

  #acknowledge({ revision, key }: { readonly revision: number; readonly key: GroupKeyView }): void {
    this.#options.onRevision(revision);
    this.#send({ type: 'acknowledge', revision, epoch: key.epoch });
  }

  #send(message: MemberMessage): void {
    this.#session?.send(JSON.stringify(message));
  }
}
