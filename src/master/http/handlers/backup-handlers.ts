import type { RequestOf } from '../../../api/endpoint-definition.ts';
import type { acknowledgeForBackup, handOver } from '../../../api/failover-endpoints.ts';
import type { reportMove } from '../../../api/move-endpoints.ts';
import type { MasterName, MemberName, SubsetName } from '../../../model/names.ts';
import type { IdentityKey } from '../../../model/records/parts.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { Directory } from '../../directory/directory.ts';
import { MasterError } from '../../master-error.ts';
import type { MemberCertificates } from '../../member-certificates.ts';
import type { SessionHub } from '../../session/session-hub.ts';
import type { ActingSubset } from '../../subset/acting-subset.ts';
import { recordMove } from '../../subset/move-report.ts';
import type { SubsetKeeper } from '../../subset/subset-keeper.ts';

export interface BackupHandlersDependencies {
  readonly subsets: SubsetKeeper;
  readonly directory: Directory;
  readonly hub: SessionHub;
  readonly certificates: MemberCertificates;
  readonly clock: Clock;
}

type OfSubset = { readonly subset: SubsetName };
type OfMember = { readonly subset: SubsetName; readonly name: MemberName };

/** What the acting master does for the other masters of the subset, whose callers were checked. */
export class BackupHandlers {
  readonly #dependencies: BackupHandlersDependencies;

  constructor(dependencies: BackupHandlersDependencies) {
    this.#dependencies = dependencies;
  }

  /** @throws MasterError as `MemberCertificates.renew`, `not-acting` */
  async renew({ subset, name }: OfMember, publicKey: string): Promise<{ chain: string[] }> {
    const { subsets, certificates } = this.#dependencies;
    const key = Buffer.from(publicKey, 'base64');
    return { chain: [...(await certificates.renew(subsets.require(subset), name, key))] };
  }

  /** @throws MasterError `refused` when the member's key is another; as `Departures.remove` */
  async leave({ subset, name }: OfMember, identityKey: IdentityKey): Promise<void> {
    const acting = this.#requireKey({ subset, name }, identityKey);
    await acting.departures.remove(name, 'left', `member:${name}`);
  }

  /** @throws MasterError `refused` when the member's key is another, or the report proves nothing */
  async reportMove(
    member: OfMember,
    { identityKey, report }: RequestOf<typeof reportMove>['body'],
  ): Promise<void> {
    const acting = this.#requireKey(member, identityKey);
    await recordMove(acting, { name: member.name, report }, this.#dependencies);
  }

  /** @throws MasterError `refused` when the member's key is another */
  #requireKey({ subset, name }: OfMember, identityKey: IdentityKey): ActingSubset {
    const acting = this.#dependencies.subsets.require(subset);
    if (acting.state.requireMember(name).identityKey === identityKey) return acting;
    throw new MasterError(`${name} joined with another key than that`, {
      code: 'refused',
      fields: { member: name },
    });
  }

  /** What cannot be is passed over: a member that is out by now, or a key that is not there yet. */
  acknowledge(
    { subset }: OfSubset,
    { members }: RequestOf<typeof acknowledgeForBackup>['body'],
  ): void {
    const { subsets, hub } = this.#dependencies;
    const { roll, key } = subsets.require(subset).state;
    for (const { name, epoch } of members) {
      if (epoch <= key.epoch && roll.findActive(name)) hub.acknowledged(subset, name, epoch);
    }
  }

  /** @throws MasterError `refused` when the caller is being emptied, or is not at home here; `not-acting` */
  async handOver(
    { subset }: OfSubset,
    { change }: RequestOf<typeof handOver>['body'],
    caller: MasterName,
  ): Promise<void> {
    const { subsets, directory } = this.#dependencies;
    const refusal = directory.drains.has(caller)
      ? `${caller} is being emptied: return it first`
      : change === 'returned' && directory.homeOf(subset) !== caller
        ? `${subset} is not at home at ${caller}`
        : undefined;
    if (refusal) throw new MasterError(refusal, { code: 'refused', fields: { subset } });
    await subsets.duty(subset).handOver(caller, change);
  }

  async readiness({ subset }: OfSubset): Promise<{ ready: boolean; reason?: string }> {
    const reason = await this.#dependencies.subsets.duty(subset).obstacle();
    return { ready: reason === undefined, ...(reason === undefined ? {} : { reason }) };
  }
}
