import { provableBlocks } from '../../core/address-binding.ts';
import type { Blocks } from '../../core/addressing.ts';
import type { MasterName } from '../../model/names.ts';
import type { SubsetRecord, VpnRecord } from '../../model/records/directory.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import { isAbort } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Deadline } from '../../runtime/deadline.ts';
import { LatestLoop } from '../../runtime/latest-loop.ts';
import type { Log } from '../../runtime/log.ts';
import { authorityPrefix } from '../../store/keys.ts';
import type { Comparison, Store } from '../../store/store.ts';
import type { SealingKey } from '../../trust/sealing.ts';
import type { GroupKeyStore } from '../group-key-store.ts';
import { Admissions } from './admissions.ts';
import { openAuthorities, type SubsetAuthorities, unboundMasters } from './authorities.ts';
import { addBlock, needsBlock } from './block-growth.ts';
import { Confirmations } from './confirmations.ts';
import { Departures } from './departures.ts';
import { Invites } from './invites.ts';
import { Moves } from './moves.ts';
import { Placements } from './placements.ts';
import { Renewals } from './renewals.ts';
import { takeIntoUse } from './restoration.ts';
import { RollWriter } from './roll-writer.ts';
import type { ServedSubset } from './served-subset.ts';
import { type SubsetEvents, SubsetState } from './subset-state.ts';
import { Sweeper } from './sweeper.ts';

export interface ActingSubsetOptions {
  /** As complete as the store is; it changes from now on only through the acting subset. */
  readonly loaded: ServedSubset;
  readonly master: MasterName;
  readonly vpn: VpnRecord;
  /** From the held lease. */
  readonly fence: Comparison;
  /** The subset's record as the directory has it now. */
  readonly record: () => SubsetRecord;
  /** Whether its members are believed only with addresses that their certificates prove. */
  readonly mustProve: () => boolean;
}

export interface ActingSubsetDependencies {
  /** The roll's. */
  readonly store: Store;
  readonly directoryStore: Store;
  readonly keys: GroupKeyStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly sealingKey: SealingKey;
  readonly events: SubsetEvents;
  readonly isConnected: (member: MemberRecord) => boolean;
}

/** For what is read of the store before anything can be done. */
const openTimeoutMs = 5_000;

/** How often time's work is looked for; the shortest lifetimes are ten seconds. */
const sweepEveryMs = 5_000;

/**
 * A subset while this master acts for it: a complete copy of the roll, and from then on the only one
 * that changes it. It ends, and has to be opened anew, when memory and store may disagree.
 */
export class ActingSubset {
  readonly state: SubsetState;
  readonly authorities: SubsetAuthorities;
  readonly admissions: Admissions;
  readonly departures: Departures;
  readonly confirmations: Confirmations;
  readonly renewals: Renewals;
  readonly moves: Moves;
  readonly invites: Invites;
  readonly placements: Placements;
  readonly #options: ActingSubsetOptions;
  readonly #dependencies: ActingSubsetDependencies;
  readonly #sweeper: Sweeper;
  readonly #growth: LatestLoop;
  readonly #distrusted: AbortController;

  private constructor(
    loaded: LoadedSubset,
    options: ActingSubsetOptions,
    dependencies: ActingSubsetDependencies,
  ) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#distrusted = loaded.distrusted;
    this.state = loaded.state;
    this.authorities = loaded.authorities;
    const blocks = () => this.#blocksForMembers();
    this.admissions = new Admissions(this.state, { ...dependencies, blocks });
    this.departures = new Departures(this.state, dependencies);
    this.confirmations = new Confirmations(this.state, dependencies);
    this.renewals = new Renewals(this.state, dependencies);
    this.moves = new Moves(this.state, dependencies);
    this.invites = new Invites(this.state, dependencies);
    this.placements = new Placements(this.state);
    this.#sweeper = new Sweeper(
      { state: this.state, master: options.master },
      { ...dependencies, departures: this.departures },
    );
    this.#growth = new LatestLoop(() => this.#grow());
  }

  /** @throws MasterError `no-authority`; StoreError, InvalidInputError, TrustError when the roll cannot be read */
  static async open(
    options: ActingSubsetOptions,
    dependencies: ActingSubsetDependencies,
  ): Promise<ActingSubset> {
    return new ActingSubset(await load(options, dependencies), options, dependencies);
  }

  /**
   * Whose authority does not bind all blocks of the subset by now.
   * @throws StoreError
   */
  async unboundMasters(signal: AbortSignal): Promise<readonly MasterName[]> {
    const { record, subset } = this.state;
    const { entries } = await this.#dependencies.store.range(authorityPrefix(subset), {}, signal);
    return unboundMasters(record, entries, this.authorities.issuer);
  }

  #blocksForMembers(): Blocks {
    const { record } = this.state;
    if (!this.#options.mustProve()) return record;
    const serving = [record.acting, ...record.backups];
    return provableBlocks(
      record,
      serving.flatMap((master) => this.authorities.blocks.get(master) ?? []),
    );
  }

  /** Does time's work until the signal is aborted. @throws what made the roll untrustworthy */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#dependencies;
    const stop = AbortSignal.any([signal, this.#distrusted.signal]);
    while (!stop.aborted) {
      await this.#sweeper
        .sweep()
        .catch((error: unknown) => log.warn({ error }, 'could not finish a sweep'));
      this.growIfNeeded();
      await clock.sleep(sweepEveryMs, stop).catch(() => undefined);
    }
    if (!signal.aborted) throw this.#distrusted.signal.reason;
  }

  /** Sees to it that joins find addresses. */
  growIfNeeded(): void {
    const { record, roll } = this.state;
    if (!needsBlock(record.ipv4Blocks, roll.takenCount)) return;
    this.#growth.request().catch((error: unknown) => {
      if (!isAbort(error))
        this.#dependencies.log.error({ error }, 'could not add an address block');
    });
  }

  async #grow(): Promise<void> {
    const { record, roll, subset, key } = this.state;
    if (!needsBlock(record.ipv4Blocks, roll.takenCount)) return;
    const request = { vpn: this.#options.vpn, subset, takenCount: roll.takenCount };
    const block = await addBlock(request, this.#dependencies.directoryStore);
    if (!block) return;
    if (this.#options.mustProve()) {
      const { log } = this.#dependencies;
      log.warn(
        { subset, block },
        'nobody gets an address of a new block until masters are renewed',
      );
    }
    const actor = `master:${this.#options.master}`;
    await this.state.commit(
      { then: [], audit: [{ action: 'block-added', actor, subject: block }] },
      key.epoch,
    );
  }
}

interface LoadedSubset {
  readonly state: SubsetState;
  readonly authorities: SubsetAuthorities;
  readonly distrusted: AbortController;
}

async function load(
  options: ActingSubsetOptions,
  dependencies: ActingSubsetDependencies,
): Promise<LoadedSubset> {
  const { loaded, master, vpn, fence, record } = options;
  const { store, clock, log, keys, events } = dependencies;
  const { subset, roll } = loaded;
  using deadline = new Deadline(openTimeoutMs);
  const authorities = await loadAuthorities(options, dependencies, deadline.signal);
  const distrusted = new AbortController();
  const writer = new RollWriter(
    { subset, master, fence },
    { store, clock, onAudit: (entry) => events.audited(entry) },
  );
  const key = await takeIntoUse(
    { subset, master, key: loaded.key },
    { store, clock, keys, writer },
  );
  const onDistrust = (error: unknown): void => {
    log.warn({ subset, error }, 'a change of the roll failed; reading the roll anew');
    distrusted.abort(error);
  };
  const state = new SubsetState(
    { subset, roll, key, lifetimes: vpn.lifetimes, record },
    { writer, keys, events, onDistrust },
  );
  return { state, authorities, distrusted };
}

async function loadAuthorities(
  { loaded: { subset }, master }: ActingSubsetOptions,
  { store, sealingKey }: ActingSubsetDependencies,
  signal: AbortSignal,
): Promise<SubsetAuthorities> {
  const { entries } = await store.range(authorityPrefix(subset), {}, signal);
  return openAuthorities(entries, { subset, master, sealingKey });
}
