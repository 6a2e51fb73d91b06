import type { KeyStatus, RotationProgress } from '../../../api/key-endpoints.ts';
import type { MasterName } from '../../../model/names.ts';
import type { Directory } from '../../directory/directory.ts';
import type { GatewayKeeper } from '../../gateway/gateway-keeper.ts';
import { unprovedMembers } from '../../keying/unproved-members.ts';
import type { ActingSubset } from '../../subset/acting-subset.ts';
import {
  describePending,
  type KeyChangeDependencies,
  KeyChangeStream,
} from './key-change-stream.ts';

export interface KeyHandlersDependencies extends KeyChangeDependencies {
  readonly master: MasterName;
  readonly gateway: GatewayKeeper;
  readonly directory: Directory;
}

export interface RotationRequest {
  readonly waitMs: number;
  /** As the audit log names who asked. */
  readonly actor: string;
}

/** Tells how a subset's key is doing, and makes the next one. */
export class KeyHandlers {
  readonly #dependencies: KeyHandlersDependencies;
  readonly #changes: KeyChangeStream;

  constructor(dependencies: KeyHandlersDependencies) {
    this.#dependencies = dependencies;
    this.#changes = new KeyChangeStream(dependencies);
  }

  /** @throws StoreError */
  async describe(acting: ActingSubset, signal: AbortSignal): Promise<KeyStatus> {
    const unboundMasters = await acting.unboundMasters(signal);
    const { master, hub, directory } = this.#dependencies;
    const { state } = acting;
    const { subset, roll, key, lifetimes } = state;
    const mustProve = directory.keyingPhase !== 'per-subset';
    const unproved = mustProve ? unprovedMembers(hub.sessionsOf(subset), roll) : [];
    const pending = [...roll.activeMembers()]
      .map(({ name }) => name)
      .filter((name) => !hub.hasApplied(subset, name, key.epoch));
    return {
      subset,
      master,
      epoch: key.epoch,
      shared: key.groupKey === directory.sharedKey?.groupKey,
      createdAtMs: key.createdAtMs,
      rotatesAtMs: key.createdAtMs + lifetimes.keyRotationMs,
      members: roll.activeCount,
      pending: describePending(state, pending.sort(), hub),
      unboundMasters: [...unboundMasters],
      unprovedMembers: unproved.toSorted(),
    };
  }

  /**
   * Resolves when the new key is durable; the stream that it resolves to then tells the rest.
   * @throws MasterError `not-acting`; StoreError. The key is the old one then, unless the store's answer was lost
   */
  rotate(
    { state, departures }: ActingSubset,
    { waitMs, actor }: RotationRequest,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<RotationProgress>> {
    const make = async () => {
      const key = await departures.rotate(actor, 'key-rotated-on-request');
      const describe = async () => ({
        type: 'rotated' as const,
        masterHasApplied: await this.#dependencies.gateway.refresh(),
      });
      return { key, describe };
    };
    return this.#changes.begin(state, { make, waitMs }, signal);
  }
}
