import type { DrainProgress } from '../../../api/failover-endpoints.ts';
import { describeError } from '../../../model/error.ts';
import type { MasterName } from '../../../model/names.ts';
import { encodeRecord } from '../../../model/records/codec.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { Deadline } from '../../../runtime/deadline.ts';
import { drainKey, masterKey } from '../../../store/keys.ts';
import type { Store } from '../../../store/store.ts';
import type { Directory } from '../../directory/directory.ts';
import { changedMeanwhile, MasterError } from '../../master-error.ts';
import type { SessionHub } from '../../session/session-hub.ts';
import type { SubsetDuty } from '../../subset/subset-duty.ts';
import type { SubsetKeeper } from '../../subset/subset-keeper.ts';
import { putVpnAudit } from './vpn-audit.ts';

export interface DrainHandlerDependencies {
  readonly master: MasterName;
  readonly subsets: SubsetKeeper;
  readonly directory: Directory;
  readonly hub: SessionHub;
  /** The directory's. */
  readonly store: Store;
  readonly clock: Clock;
}

/** Below what another master takes in of new sessions (docs/operations.md), so that it has time for more. */
const sessionsPerStep = 15;
const stepMs = 100;
const reportEverySteps = 10;
const lookEveryMs = 50;
/** For a subset to come home once it was asked for. */
const returnTimeoutMs = 10_000;
const askAgainMs = 500;

/** Empties this master, and ends that. */
export class DrainHandler {
  readonly #dependencies: DrainHandlerDependencies;

  constructor(dependencies: DrainHandlerDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Resolves when all masters are being told that this one takes nothing; the stream tells the rest.
   * @throws MasterError `refused` when the master is another, `conflict`; StoreError
   */
  async drain(
    request: { readonly master: MasterName; readonly by: string; readonly waitMs: number },
    signal: AbortSignal,
  ): Promise<AsyncGenerator<DrainProgress>> {
    this.#requireSelf(request.master);
    const { store, clock, directory } = this.#dependencies;
    const { master, by } = request;
    const startMs = clock.monotonicMs();
    const atMs = clock.nowMs();
    const key = drainKey(master);
    const record = await store.get(masterKey(master), signal);
    const then = [
      { put: key, value: encodeRecord({ version: 1, master, by, atMs }) },
      putVpnAudit({ action: 'master-drained', actor: by, atMs, master, subject: master }),
    ];
    // `#endDrain` changes the master's record, so that a drain which is still on its way fails.
    const isNew = [
      { key, modRevision: 0 },
      { key: masterKey(master), modRevision: record?.modRevision ?? 0 },
    ];
    const result = await store.transact({ if: isNew, then }, signal);
    if (!result.succeeded && result.failed.key !== key) throw changedMeanwhile(result.failed.key);
    while (!directory.drains.has(master)) await clock.sleep(lookEveryMs, signal);
    const deadline = new Deadline(request.waitMs, signal);
    return this.#empty(deadline, () => Math.round(clock.monotonicMs() - startMs));
  }

  /** @throws MasterError `refused` when the master is another; StoreError */
  async return(
    { master, by }: { readonly master: MasterName; readonly by: string },
    signal: AbortSignal,
  ): Promise<{ subsets: { subset: SubsetDuty['subset']; returned: boolean; reason?: string }[] }> {
    this.#requireSelf(master);
    const { directory, subsets, clock } = this.#dependencies;
    await this.#endDrain(master, by, signal);
    while (directory.drains.has(master)) await clock.sleep(lookEveryMs, signal);
    const own = subsets.duties().filter(({ subset }) => directory.homeOf(subset) === master);
    using deadline = new Deadline(returnTimeoutMs, signal);
    const results = own.map(async (duty) => {
      const reason = await this.#takeBack(duty, deadline.signal);
      const { subset } = duty;
      return { subset, returned: reason === undefined, ...(reason ? { reason } : {}) };
    });
    return { subsets: await Promise.all(results) };
  }

  async *#empty(deadline: Deadline, elapsedMs: () => number): AsyncGenerator<DrainProgress> {
    try {
      let kept = 0;
      for await (const progress of this.#handOverAll(deadline.signal, elapsedMs)) {
        if (progress.type === 'kept') kept += 1;
        yield progress;
      }
      yield* this.#closeSessions(deadline.signal, elapsedMs);
      const sessions = this.#dependencies.hub.sessions().length;
      yield { type: 'finished', kept, sessions, afterMs: elapsedMs() };
    } finally {
      deadline[Symbol.dispose]();
    }
  }

  async *#handOverAll(signal: AbortSignal, elapsedMs: () => number): AsyncGenerator<DrainProgress> {
    const duties = this.#dependencies.subsets.duties().filter(({ acting }) => acting);
    // All at once, told in their order: one that waits for a dead backup holds no other up.
    const handovers = duties.map((duty) =>
      duty
        .handOverToBackup(signal)
        .catch((error: unknown) => ({ master: undefined, reason: describeError(error) })),
    );
    for (const [index, { subset }] of duties.entries()) {
      const target = await handovers[index];
      if (target?.master !== undefined) {
        yield { type: 'handed-over', subset, to: target.master, afterMs: elapsedMs() };
      } else yield { type: 'kept', subset, reason: target?.reason ?? 'unknown' };
    }
  }

  /** Not all at once: whoever gets them next has a handshake to make with each. */
  async *#closeSessions(
    signal: AbortSignal,
    elapsedMs: () => number,
  ): AsyncGenerator<DrainProgress> {
    const { hub, clock } = this.#dependencies;
    const leaving = hub.sessions();
    const isLeft = () => hub.sessions().some((session) => leaving.includes(session));
    for (let step = 0; !signal.aborted; step += 1) {
      const due = leaving.slice(step * sessionsPerStep, (step + 1) * sessionsPerStep);
      for (const session of due) session.closeForRestart();
      if (step % reportEverySteps === 0) {
        yield { type: 'sessions', left: hub.sessions().length, afterMs: elapsedMs() };
        if (due.length === 0 && !isLeft()) return;
      }
      await clock.sleep(stepMs, signal).catch(() => undefined);
    }
  }

  /**
   * The master's own record is written anew, drained or not: what members are told may only get newer
   * revisions, and a drain that the store has not answered is called off with it.
   */
  async #endDrain(master: MasterName, by: string, signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#dependencies;
    const [drain, record] = await Promise.all([
      store.get(drainKey(master), signal),
      store.get(masterKey(master), signal),
    ]);
    if (!record) return;
    const atMs = clock.nowMs();
    const returned = {
      action: 'master-returned',
      actor: by,
      atMs,
      master,
      subject: master,
    } as const;
    const result = await store.transact(
      {
        if: [
          { key: record.key, modRevision: record.modRevision },
          { key: drainKey(master), modRevision: drain?.modRevision ?? 0 },
        ],
        then: [
          { put: record.key, value: record.value },
          ...(drain ? [{ delete: drain.key }, putVpnAudit(returned)] : []),
        ],
      },
      signal,
    );
    if (!result.succeeded) throw changedMeanwhile(result.failed.key);
  }

  /** @returns why it did not come; undefined when this master acts for it now */
  async #takeBack(duty: SubsetDuty, signal: AbortSignal): Promise<string | undefined> {
    const { clock } = this.#dependencies;
    let reason: string | undefined;
    while (!duty.acting && !signal.aborted) {
      try {
        await duty.askBack(signal);
        while (!duty.acting) await clock.sleep(lookEveryMs, signal);
      } catch (error) {
        if (!signal.aborted) reason = describeError(error);
        await clock.sleep(askAgainMs, signal).catch(() => undefined);
      }
    }
    return duty.acting ? undefined : (reason ?? 'it was not given in time');
  }

  #requireSelf(master: MasterName): void {
    const { master: self } = this.#dependencies;
    if (master === self) return;
    throw new MasterError(`this is ${self}: ask ${master} itself`, {
      code: 'refused',
      fields: { master, self },
    });
  }
}
