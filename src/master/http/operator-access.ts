import type { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import type { EndpointDefinition } from '../../api/endpoint-definition.ts';
import type { Identity, MasterName, SubsetName } from '../../model/names.ts';
import type { Directory } from '../directory/directory.ts';
import { MasterError } from '../master-error.ts';
import type { KnownCaller } from '../session/membership-gate.ts';
import { type CallerContext, identifyCaller } from './caller.ts';

export interface AccessObserver {
  received(sender: string, kind: string): void;
  refused(code: string, message: string): void;
}

/** Decides who may use which endpoint, and counts who asked for what. */
export class OperatorAccess {
  readonly #observer: AccessObserver;
  readonly #context: () => CallerContext;
  readonly #directory: Pick<Directory, 'operators'>;
  /** Who listens to streams, which may go on for as long as they like. */
  readonly #listening = new Map<TLSSocket, KnownCaller>();

  constructor(dependencies: {
    readonly observer: AccessObserver;
    readonly callerContext: () => CallerContext;
    readonly directory: Pick<Directory, 'operators'>;
  }) {
    this.#observer = dependencies.observer;
    this.#context = dependencies.callerContext;
    this.#directory = dependencies.directory;
  }

  /** @throws MasterError `not-permitted` */
  async authorise(request: FastifyRequest, endpoint: EndpointDefinition): Promise<KnownCaller> {
    const socket = request.raw.socket as TLSSocket;
    const caller = await this.require(socket, [endpoint.caller]);
    this.#observer.received(describeCaller(caller.identity), `${endpoint.method} ${endpoint.path}`);
    if (endpoint.reply === 'stream' && !socket.destroyed) {
      this.#listening.set(socket, caller);
      socket.once('close', () => this.#listening.delete(socket));
    }
    return caller;
  }

  /** Ends what revoked operators still listen to. To be called when the directory has changed. */
  cutRevoked(): void {
    for (const [socket, caller] of this.#listening) if (this.#isRevoked(caller)) socket.destroy();
  }

  /**
   * Whether the caller is one of the masters of the subset: only they act for its members.
   * @throws MasterError `not-permitted`
   */
  requireServing(
    { identity }: KnownCaller,
    subset: SubsetName,
    directory: Pick<Directory, 'isServing'>,
  ): MasterName {
    if (identity.kind === 'master' && directory.isServing(identity.name, subset)) {
      return identity.name;
    }
    const message = `${identity.name} is no master of ${subset}`;
    this.#observer.refused('not-permitted', message);
    throw new MasterError(message, { code: 'not-permitted', fields: { subset } });
  }

  /** @throws MasterError `not-permitted` when the other end is none of the kinds */
  async require(socket: TLSSocket, kinds: readonly Identity['kind'][]): Promise<KnownCaller> {
    const caller = await identifyCaller(socket, this.#context());
    const isRevoked = caller.kind === 'known' && this.#isRevoked(caller);
    const isValid = caller.kind === 'known' && !caller.expired && !isRevoked;
    if (isValid && kinds.includes(caller.identity.kind)) return caller;
    const [code, message] = isRevoked ? revoked : explain(caller, kinds);
    this.#observer.refused(code, message);
    throw new MasterError(message, { code: 'not-permitted', fields: { reason: code } });
  }

  /** An operator has one key; whoever has another under its name had it before. */
  #isRevoked({ identity, identityKey }: KnownCaller): boolean {
    if (identity.kind !== 'operator') return false;
    const record = this.#directory.operators.get(identity.name)?.record;
    return record !== undefined && (!!record.revoked || record.identityKey !== identityKey);
  }
}

const revoked = [
  'revoked',
  'your certificate is revoked, or another one has taken its place: ask whoever has the root key for a new profile',
] as const;

/** As metrics and the audit log name callers. */
export function describeCaller(identity: Identity): string {
  return identity.kind === 'member'
    ? `member:${identity.name}`
    : `${identity.kind}:${identity.name}`;
}

function explain(
  caller: Awaited<ReturnType<typeof identifyCaller>>,
  kinds: readonly Identity['kind'][],
): [code: string, message: string] {
  if (caller.kind === 'refused')
    return [caller.code, `your certificate is refused: ${caller.message}`];
  if (caller.kind === 'stranger')
    return ['untrusted', 'your certificate was not issued by this VPN'];
  if (caller.expired) return ['expired', 'your certificate has expired: ask for a new one'];
  return [
    'not-permitted',
    `this is for ${kinds.map((kind) => `${kind}s`).join(' and ')}; your certificate is of a ${caller.identity.kind}`,
  ];
}
