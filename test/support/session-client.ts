import { once } from 'node:events';
import type { ConnectionOptions } from 'node:tls';
import { type ClientOptions, WebSocket } from 'ws';
import {
  type AdmittedMessage,
  type MasterMessage,
  type MemberMessage,
  masterMessageSchema,
  sessionPath,
  sessionProtocol,
} from '../../src/api/messages.ts';
import { type Endpoint, hostOf } from '../../src/model/endpoint.ts';
import { parseMemberName } from '../../src/model/names.ts';
import {
  createIdentityKeyPair,
  createSelfSigned,
  type IdentityKeyPair,
} from '../../src/trust/self-signed-certificate.ts';
import { createWireguardKeyPair } from '../../src/trust/wireguard-keys.ts';
import type { Credentials } from './certificate-bed.ts';
import { until } from './until.ts';

type MessageOf<Type extends MasterMessage['type']> = Extract<MasterMessage, { type: Type }>;

/** What of a view is acknowledged; a new key is one too. */
export interface AppliedView {
  readonly revision: number;
  readonly key: { readonly epoch: number };
}

/** A node that speaks the session protocol by hand, without the member's software. */
export class SessionNode {
  readonly name: string;
  readonly keyPair: IdentityKeyPair;
  readonly wireguardKey = createWireguardKeyPair().publicKey;
  /** Its certificates; its own self-signed one before it has joined. */
  chain: readonly string[];

  constructor(name: string, credentials?: Credentials) {
    this.name = name;
    this.keyPair = credentials?.keyPair ?? createIdentityKeyPair();
    this.chain = credentials?.chain ?? [createSelfSigned(this.keyPair)];
  }

  /** @param ticket of an earlier handshake, to be resumed */
  async connect(endpoint: Endpoint, ticket?: Buffer): Promise<ClientSession> {
    const session = ClientSession.begin(endpoint, this, ticket);
    await session.opened;
    return session;
  }

  /** Says `join`; the session goes on, with the self-signed certificate. */
  async askToJoin(endpoint: Endpoint, token: string): Promise<ClientSession> {
    const session = await this.connect(endpoint);
    session.send({
      type: 'join',
      token,
      name: parseMemberName(this.name),
      keys: { acting: this.wireguardKey },
    });
    return session;
  }

  /** Joins and keeps the certificate that it gets. */
  async join(
    endpoint: Endpoint,
    token: string,
  ): Promise<{ readonly session: ClientSession; readonly admitted: AdmittedMessage }> {
    const session = await this.askToJoin(endpoint, token);
    const admitted = await session.expect('admitted');
    this.chain = admitted.chain;
    return { session, admitted };
  }

  /** Connects with what it has and says `hello`. @param applied undefined for none */
  async resume(endpoint: Endpoint, applied?: AppliedView): Promise<ClientSession> {
    const session = await this.connect(endpoint);
    session.sayHello(applied);
    return session;
  }
}

/** What a node shows in a handshake. */
export function tlsOptionsOf(
  endpoint: Endpoint,
  { chain, keyPair }: Pick<SessionNode, 'chain' | 'keyPair'>,
) {
  return {
    cert: chain.join('\n'),
    key: keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    localAddress: hostOf(endpoint),
    // Who the master is has tests of its own, at the member's end.
    rejectUnauthorized: false,
  } as const;
}

/** The member's end of one session. */
export class ClientSession implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly opened: Promise<unknown>;
  /** Every message so far; `expect` takes them out. */
  readonly messages: MasterMessage[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.opened = once(socket, 'open');
    socket.on('message', (data) =>
      this.messages.push(masterMessageSchema.parse(JSON.parse(data.toString()))),
    );
    socket.on('error', () => undefined);
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
    });
  }

  static begin(
    endpoint: Endpoint,
    node: Pick<SessionNode, 'chain' | 'keyPair'>,
    ticket?: Buffer,
  ): ClientSession {
    const options: ClientOptions & Pick<ConnectionOptions, 'session'> = {
      ...tlsOptionsOf(endpoint, node),
      ...(ticket ? { session: ticket } : {}),
    };
    return new ClientSession(
      new WebSocket(`wss://${endpoint}${sessionPath}`, sessionProtocol, options),
    );
  }

  send(message: MemberMessage): void {
    this.socket.send(JSON.stringify(message));
  }

  sayHello(applied?: AppliedView): void {
    this.send({
      type: 'hello',
      appliedRevision: applied?.revision ?? 0,
      appliedEpoch: applied?.key.epoch ?? 0,
    });
  }

  acknowledge({ revision, key }: AppliedView): void {
    this.send({ type: 'acknowledge', revision, epoch: key.epoch });
  }

  /** The next message, which must be of the type. */
  async expect<Type extends MasterMessage['type']>(type: Type): Promise<MessageOf<Type>> {
    const message = await until(
      `a message "${type}"`,
      () => this.messages.shift() ?? this.#ended(type),
    );
    if (message.type === type) return message as MessageOf<Type>;
    throw new Error(`expected "${type}", got ${JSON.stringify(message)}`);
  }

  /** The end of the connection. */
  close(): Promise<{ readonly code: number; readonly reason: string }> {
    return until('the session ends', () => this.closed);
  }

  #ended(type: string): undefined {
    if (!this.closed) return undefined;
    throw new Error(`expected "${type}", but the session ended: ${JSON.stringify(this.closed)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
    if (!this.closed) await once(this.socket, 'close');
  }
}
