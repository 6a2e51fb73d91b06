import { leaveForBackup, renewForBackup } from '../api/failover-endpoints.ts';
import { reportMove } from '../api/move-endpoints.ts';
import type { MoveReport } from '../api/move-messages.ts';
import { HanseError } from '../model/error.ts';
import type { MasterName, SubsetName } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Directory } from './directory/directory.ts';
import { MasterError } from './master-error.ts';
import type { MasterLinks } from './master-links.ts';
import type { MemberCertificates } from './member-certificates.ts';
import type { SessionMember } from './session/member-session.ts';
import type { ActingSubset } from './subset/acting-subset.ts';
import { recordMove } from './subset/move-report.ts';
import type { SubsetKeeper } from './subset/subset-keeper.ts';

export interface ActingRequestsDependencies {
  readonly subsets: SubsetKeeper;
  readonly certificates: MemberCertificates;
  readonly links: MasterLinks;
  readonly directory: Directory;
  readonly clock: Clock;
  /** One request was passed on to another master. */
  readonly onPassedOn: (kind: string, outcome: 'done' | 'failed') => void;
}

/** A takeover takes four seconds, and members wait for their answers. */
const patienceMs = 10_000;
const retryEveryMs = 250;

/**
 * What members ask that only the acting master can do: done here when this is the one, else passed
 * on to it. While masters change places it is tried again, so none of these may be harmed by
 * being done twice.
 */
export class ActingRequests {
  readonly #dependencies: ActingRequestsDependencies;

  constructor(dependencies: ActingRequestsDependencies) {
    this.#dependencies = dependencies;
  }

  /** @param publicKey SubjectPublicKeyInfo, DER @returns the chain, PEM */
  renew({ subset, name }: SessionMember, publicKey: Buffer): Promise<readonly string[]> {
    const { certificates, links } = this.#dependencies;
    return this.#ask(subset, 'renewal', {
      here: (acting) => certificates.renew(acting, name, publicKey),
      there: async (master) => {
        const body = { publicKey: publicKey.toString('base64') };
        const input = { params: { subset, name }, body };
        return (await links.call(renewForBackup, input, { master })).chain;
      },
    });
  }

  leave({ subset, name, identityKey }: SessionMember): Promise<void> {
    const { links } = this.#dependencies;
    return this.#ask(subset, 'departure', {
      here: async (acting) => {
        await acting.departures.remove(name, 'left', `member:${name}`);
      },
      there: async (master) => {
        const input = { params: { subset, name }, body: { identityKey } };
        await links.call(leaveForBackup, input, { master });
      },
    });
  }

  /** @throws MasterError `refused` when the report proves nothing */
  reportMove({ subset, name, identityKey }: SessionMember, report: MoveReport): Promise<void> {
    const { links } = this.#dependencies;
    return this.#ask(subset, 'move-report', {
      here: (acting) => recordMove(acting, { name, report }, this.#dependencies),
      there: async (master) => {
        const input = { params: { subset, name }, body: { identityKey, report } };
        await links.call(reportMove, input, { master });
      },
    });
  }

  async #ask<Answer>(
    subset: SubsetName,
    kind: string,
    request: {
      readonly here: (acting: ActingSubset) => Promise<Answer>;
      readonly there: (master: MasterName) => Promise<Answer>;
    },
  ): Promise<Answer> {
    const { subsets, clock } = this.#dependencies;
    const endsMs = clock.monotonicMs() + patienceMs;
    for (;;) {
      try {
        const acting = subsets.find(subset);
        if (acting) return await request.here(acting);
        return await this.#passOn(kind, request.there, subset);
      } catch (error) {
        const mayPass = error instanceof HanseError && error.retryable;
        if (!mayPass || clock.monotonicMs() >= endsMs) throw error;
      }
      await clock.sleep(retryEveryMs);
    }
  }

  async #passOn<Answer>(
    kind: string,
    there: (master: MasterName) => Promise<Answer>,
    subset: SubsetName,
  ): Promise<Answer> {
    const { subsets, onPassedOn } = this.#dependencies;
    const master = subsets.otherActing(subset);
    if (!master) {
      throw new MasterError(`nobody acts for ${subset} now: ask again`, {
        code: 'not-acting',
        fields: { subset },
        retryable: true,
      });
    }
    try {
      const answer = await there(master);
      onPassedOn(kind, 'done');
      return answer;
    } catch (error) {
      onPassedOn(kind, 'failed');
      throw error;
    }
  }
}
