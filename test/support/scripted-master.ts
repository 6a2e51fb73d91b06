import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  type JoinMessage,
  type MasterMessage,
  type MemberMessage,
  memberMessageSchema,
  sessionPath,
  sessionProtocol,
  type View,
  viewSchema,
} from '../../src/api/messages.ts';
import { type Endpoint, endpointSchema } from '../../src/model/endpoint.ts';
import type { Identity, MasterName } from '../../src/model/names.ts';
import { parseAddress, parsePrefix } from '../../src/model/prefix.ts';
import { issueLeaf } from '../../src/trust/certificate-authority.ts';
import { rootFingerprint } from '../../src/trust/certificate-check.ts';
import { createInviteToken } from '../../src/trust/invite-token.ts';
import type { MemberAddresses } from '../../src/trust/member-addresses.ts';
import type { CertificatePeriod } from '../../src/trust/signed-certificate.ts';
import { createGroupKey } from '../../src/trust/wireguard-keys.ts';
import { type CertificateBed, type Credentials, hourMs, spkiOf } from './certificate-bed.ts';

export interface ScriptedMasterOptions {
  readonly name?: string;
  /** What it shows instead of an honest certificate. */
  readonly credentials?: Credentials;
  /** Sent behind the chain instead of its own root. */
  readonly rootCertificate?: string;
  /** It introduces members to each other, and listens there for their direct interfaces. */
  readonly rendezvousPort?: number;
}

interface ChainOptions {
  readonly identity?: Identity;
  readonly period?: CertificatePeriod;
  /** None, as in certificates of an earlier version, unless said. */
  readonly addresses?: MemberAddresses | undefined;
}

/** The master end of control sessions, told step by step by a test what to say. */
export class ScriptedMaster implements AsyncDisposable {
  readonly bed: CertificateBed;
  readonly name: MasterName;
  readonly credentials: Credentials;
  readonly endpoint: Endpoint;
  readonly rendezvousPort: number | undefined;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #arrived: ScriptedSession[] = [];
  #wake: () => void = () => {};
  readonly #closed: Promise<unknown>;
  #isOver = false;

  private constructor(
    parts: Pick<ScriptedMaster, 'bed' | 'name' | 'credentials' | 'endpoint' | 'rendezvousPort'>,
    server: Server,
  ) {
    this.bed = parts.bed;
    this.name = parts.name;
    this.credentials = parts.credentials;
    this.endpoint = parts.endpoint;
    this.rendezvousPort = parts.rendezvousPort;
    this.#server = server;
    this.#closed = once(server, 'close');
    this.#sockets = new WebSocketServer({ server, path: sessionPath });
    this.#sockets.on('connection', (socket, request) => {
      if (!(request.socket instanceof TLSSocket)) throw new TypeError('expected TLS');
      this.#arrived.push(new ScriptedSession(socket, request.socket));
      this.#wake();
    });
  }

  static async start(
    bed: CertificateBed,
    options: ScriptedMasterOptions = {},
  ): Promise<ScriptedMaster> {
    const identity = bed.master(options.name ?? 'hansa-1');
    const credentials = options.credentials ?? (await bed.issue(identity));
    const root = options.rootCertificate ?? bed.root.certificatePem;
    const server = createServer({
      cert: [...credentials.chain, root].join('\n'),
      key: credentials.keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const endpoint = endpointSchema.parse(`127.0.0.1:${port}`);
    const { rendezvousPort } = options;
    const parts = { bed, name: identity.name, credentials, endpoint, rendezvousPort };
    return new ScriptedMaster(parts, server);
  }

  /** The next session that a member opens. */
  async session(): Promise<ScriptedSession> {
    for (;;) {
      const session = this.#arrived.shift();
      if (session) return session;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  view(revision: number, changes: Partial<View> = {}): View {
    return {
      ...viewSchema.parse({
        revision,
        acting: this.contact,
        backups: [],
        orders: [[this.name]],
        spreadMs: 0,
        key: { epoch: revision, groupKey: createGroupKey() },
      }),
      ...changes,
    };
  }

  get contact(): View['acting'] {
    const { name, endpoint, credentials, rendezvousPort } = this;
    const rendezvous = rendezvousPort === undefined ? {} : { rendezvousPort };
    const wireguard = { host: '192.0.2.1', port: 51_820, ...rendezvous };
    return { name, control: endpoint, wireguard, chain: [...credentials.chain] };
  }

  async invite(
    options: { readonly subset?: string; readonly root?: string } = {},
  ): Promise<string> {
    const claims = {
      inviteId: '6f1c6f0e-5b6a-4c0f-9d1d-2a7c83be41d5',
      expiresAtMs: this.bed.nowMs + hourMs,
      rootFingerprint: options.root ?? rootFingerprint(this.bed.root.certificatePem),
      control: [{ master: this.name, endpoint: this.endpoint }],
    } as const;
    return createInviteToken(claims, await this.bed.intermediate(options.subset ?? 'east'));
  }

  /** A certificate for the keys that the member has shown. */
  async chainFor(
    session: ScriptedSession,
    join: JoinMessage,
    options: ChainOptions = {},
  ): Promise<string[]> {
    const identity = options.identity ?? this.bed.member('east', join.name);
    const subset = identity.kind === 'member' ? identity.subset : 'east';
    const issuer = await this.bed.intermediate(subset);
    const leaf = await issueLeaf({
      identity,
      subjectPublicKey: session.identitySpki,
      wireguardKeys: join.keys,
      ...(options.addresses ? { addresses: options.addresses } : {}),
      issuer,
      period: options.period ?? this.bed.period,
    });
    return [leaf, issuer.certificatePem];
  }

  /** The answer to a join, as an honest master gives it. */
  async admission(
    session: ScriptedSession,
    join: JoinMessage,
    options: Omit<ChainOptions, 'identity'> & { readonly subset?: string } = {},
  ): Promise<Extract<MasterMessage, { type: 'admitted' }>> {
    const subset = options.subset ?? 'east';
    const member = this.bed.member(subset, join.name);
    const addresses = options.addresses ?? {
      ipv4: parseAddress('100.64.0.2'),
      ipv6: parseAddress('fd12:3456:789a:1::2'),
    };
    // They are out of the block of the first subset.
    const bound = subset === 'east' ? { addresses } : {};
    return {
      type: 'admitted',
      place: {
        vpn: {
          name: this.bed.vpn,
          id: '00c0ffee',
          keying: 'per-subset',
          prefixes: [parsePrefix('fd12:3456:789a::/48'), parsePrefix('100.64.0.0/10')],
        },
        subset: member.subset,
        name: join.name,
        ...addresses,
      },
      chain: await this.chainFor(session, join, { ...bound, ...options, identity: member }),
      rootCertificate: this.bed.root.certificatePem,
      view: this.view(5),
    };
  }

  /** Sessions go on, and no new one is taken. */
  stopListening(): void {
    this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const client of this.#sockets.clients) client.terminate();
    this.#sockets.close();
    this.#server.close();
    this.#server.closeAllConnections();
    await this.#closed;
  }
}

/** One session: what the member said, and what it is told. */
export class ScriptedSession {
  readonly #socket: WebSocket;
  readonly #tls: TLSSocket;
  readonly #received: MemberMessage[] = [];
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(socket: WebSocket, tls: TLSSocket) {
    this.#socket = socket;
    this.#tls = tls;
    if (socket.protocol !== sessionProtocol) throw new Error(`subprotocol ${socket.protocol}`);
    socket.on('message', (data) => {
      this.#received.push(memberMessageSchema.parse(JSON.parse(data.toString())));
      this.#wake();
    });
    socket.on('error', () => {
      // A member that goes away without a word is what many tests are about.
    });
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  /** SubjectPublicKeyInfo of the certificate that the member showed. */
  get identitySpki(): Uint8Array {
    const certificate = this.#tls.getPeerX509Certificate();
    if (!certificate) throw new Error('the member showed no certificate');
    return spkiOf(certificate.publicKey);
  }

  /** The leaf that the member showed, as PEM. */
  get clientCertificate(): string | undefined {
    return this.#tls.getPeerX509Certificate()?.toString().trim();
  }

  /** The subject alternative name that the member showed. */
  get clientName(): string | undefined {
    return this.#tls.getPeerX509Certificate()?.subjectAltName;
  }

  /** Whether the handshake was one with a ticket. */
  get isResumed(): boolean {
    return this.#tls.isSessionReused();
  }

  /** The next message, which must be of the type. */
  async receive<Type extends MemberMessage['type']>(
    type: Type,
  ): Promise<Extract<MemberMessage, { type: Type }>> {
    for (;;) {
      const message = this.#received.shift();
      if (message?.type === type) return message as Extract<MemberMessage, { type: Type }>;
      if (message) throw new Error(`expected ${type}, got ${message.type}`);
      if (this.#isClosed) throw new Error(`the member closed the session instead of ${type}`);
      await this.#change();
    }
  }

  /** Whatever has come and was not asked for. */
  get unread(): readonly MemberMessage[] {
    return this.#received;
  }

  send(message: MasterMessage): void {
    this.#socket.send(JSON.stringify(message));
  }

  /** Several messages in one write, so that they reach the member together. */
  sendTogether(messages: readonly MasterMessage[]): void {
    this.#tls.cork();
    for (const message of messages) this.send(message);
    this.#tls.uncork();
  }

  sendRaw(data: string | Uint8Array): void {
    this.#socket.send(data);
  }

  /** Says nothing any more, not even that it hears. */
  mute(): void {
    this.#socket.pause();
  }

  /** Politely. */
  close(code: number): void {
    this.#socket.close(code);
  }

  cut(): void {
    this.#socket.terminate();
  }

  /** Resolves when the session is over, from whichever end. */
  async closed(): Promise<void> {
    while (!this.#isClosed) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
