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

  constructor(dependencies: {
    readonly observer: AccessObserver;
    readonly callerContext: () => CallerContext;
  }) {
    this.#observer = dependencies.observer;
    this.#context = dependencies.callerContext;
  }

  /** @throws MasterError `not-permitted` */
  async authorise(request: FastifyRequest, endpoint: EndpointDefinition): Promise<KnownCaller> {
    const caller = await this.require(request.raw.socket as TLSSocket, [endpoint.caller]);
    this.#observer.received(describeCaller(caller.identity), `${endpoint.method} ${endpoint.path}`);
    return caller;
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
    if (caller.kind === 'known' && !caller.expired && kinds.includes(caller.identity.kind))
      return caller;
    const [code, message] = explain(caller, kinds);
    this.#observer.refused(code, message);
    throw new MasterError(message, { code: 'not-permitted', fields: { reason: code } });
  }
}

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
