import type { RemovalProgress } from '../../../api/member-endpoints.ts';
import type { MemberName } from '../../../model/names.ts';
import type { GatewayKeeper } from '../../gateway/gateway-keeper.ts';
import type { ActingSubset } from '../../subset/acting-subset.ts';
import { type KeyChangeDependencies, KeyChangeStream } from './key-change-stream.ts';

export interface RemovalHandlerDependencies extends KeyChangeDependencies {
  readonly gateway: GatewayKeeper;
}

export interface RemovalRequest {
  readonly name: MemberName;
  readonly kind: 'evict' | 'ban';
  readonly waitMs: number;
  /** As the audit log names who asked. */
  readonly actor: string;
}

/** Removes a member and tells, as it happens, who has applied it. */
export class RemovalHandler {
  readonly #gateway: GatewayKeeper;
  readonly #changes: KeyChangeStream;

  constructor(dependencies: RemovalHandlerDependencies) {
    this.#gateway = dependencies.gateway;
    this.#changes = new KeyChangeStream(dependencies);
  }

  /**
   * Resolves when the removal is durable; the stream that it resolves to then tells the rest.
   * @throws MasterError `no-such-member`, `not-active`, `not-acting`; nothing has been removed then
   */
  remove(
    { state, departures }: ActingSubset,
    { name, kind, waitMs, actor }: RemovalRequest,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<RemovalProgress>> {
    const make = async () => {
      const reason = kind === 'ban' ? 'banned' : 'evicted';
      const { member, key } = await departures.remove(name, reason, actor);
      const describe = async () => ({
        type: 'removed' as const,
        member: member.name,
        tunnelIsDown: await this.#gateway.refresh(),
        alsoIn: member.alsoIn,
      });
      return { key, describe };
    };
    return this.#changes.begin(state, { make, waitMs }, signal);
  }
}
