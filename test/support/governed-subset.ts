import { createHash, randomUUID } from 'node:crypto';
import type { EndReason } from '../../src/api/messages.ts';
import type { AdmissionRequest } from '../../src/core/admission.ts';
import { GroupKeyStore, type StoredGroupKey } from '../../src/master/group-key-store.ts';
import { ActingSubset } from '../../src/master/subset/acting-subset.ts';
import type { AdmissionResult } from '../../src/master/subset/admissions.ts';
import { loadRoll, loadSubsetKey } from '../../src/master/subset/roll-loading.ts';
import type { ServedSubset } from '../../src/master/subset/served-subset.ts';
import { type SubsetLease, takeSubsetLease } from '../../src/master/subset/subset-lease.ts';
import type { SubsetEvents } from '../../src/master/subset/subset-state.ts';
import {
  type MasterName,
  parseMasterName,
  parseMemberName,
  parseSubsetName,
  type SubsetName,
} from '../../src/model/names.ts';
import { type AuditRecord, auditRecordSchema } from '../../src/model/records/audit.ts';
import { decodeRecord } from '../../src/model/records/codec.ts';
import { subsetRecordSchema } from '../../src/model/records/directory.ts';
import type { IdentityKey } from '../../src/model/records/parts.ts';
import type { MemberRecord } from '../../src/model/records/roll.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLog } from '../../src/runtime/log.ts';
import { auditPrefix, leaseKey, subsetKey, subsetKeyKey } from '../../src/store/keys.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { createWireguardKeyPair } from '../../src/trust/wireguard-keys.ts';
import { FaultyStore } from './faulty-store.ts';
import { ManualClock } from './manual-clock.ts';
import { type MasterBed, operatorName } from './master-bed.ts';

/** What a subset told the rest of its master, in order. */
export class RecordedEvents implements SubsetEvents {
  readonly keys: StoredGroupKey[] = [];
  readonly endings: { readonly name: string; readonly reason: EndReason }[] = [];
  readonly audit: AuditRecord[] = [];

  rollChanged(): void {}
  keyChanged({ key }: ServedSubset): void {
    this.keys.push(key);
  }
  moveOrdered(): void {}
  ended({ name }: MemberRecord, reason: EndReason): void {
    this.endings.push({ name, reason });
  }
  audited(entry: AuditRecord): void {
    this.audit.push(entry);
  }
}

/** One acting subset on a store handle and a lease of its own, on a clock that stands still. */
export class GovernedSubset implements AsyncDisposable {
  readonly acting: ActingSubset;
  readonly events: RecordedEvents;
  readonly clock: ManualClock;
  readonly store: FaultyStore;
  readonly lease: SubsetLease;
  readonly connected: Set<string>;
  readonly subset: SubsetName;
  readonly master: MasterName;
  readonly #cleanup: AsyncDisposable;

  private constructor(
    parts: Pick<
      GovernedSubset,
      'acting' | 'events' | 'clock' | 'store' | 'lease' | 'connected' | 'subset' | 'master'
    >,
    cleanup: AsyncDisposable,
  ) {
    this.acting = parts.acting;
    this.events = parts.events;
    this.clock = parts.clock;
    this.store = parts.store;
    this.lease = parts.lease;
    this.connected = parts.connected;
    this.subset = parts.subset;
    this.master = parts.master;
    this.#cleanup = cleanup;
  }

  static async open(
    bed: MasterBed,
    names: { readonly subset: string; readonly master: string },
    clock = new ManualClock(),
  ): Promise<GovernedSubset> {
    await using cleanup = new AsyncDisposableStack();
    const [subset, master] = [parseSubsetName(names.subset), parseMasterName(names.master)];
    const store = new FaultyStore(cleanup.use(await openStore(bed.storeUrl)));
    const lease = await hold(subset, master, store);
    cleanup.defer(() => lease.end());
    const [events, connected] = [new RecordedEvents(), new Set<string>()];
    const entry = await store.get(subsetKey(subset));
    if (!entry) throw new Error(`the directory has no ${subset}`);
    const record = decodeRecord(subsetRecordSchema, entry.key, entry.value);
    const { sealingKey, vpn } = bed;
    const keys = new GroupKeyStore({ keyOf: (epoch) => subsetKeyKey(subset, epoch), sealingKey });
    const { roll } = await loadRoll(subset, store);
    const loaded = { subset, roll, key: await loadSubsetKey(subset, { store, keys }) };
    const acting = await ActingSubset.open(
      { loaded, master, vpn, fence: lease.fence, record: () => record, mustProve: () => false },
      {
        ...{ store, directoryStore: store, keys, clock, events, sealingKey, log: silentLog() },
        isConnected: ({ name }) => connected.has(name),
      },
    );
    const parts = { acting, events, clock, store, lease, connected, subset, master };
    return new GovernedSubset(parts, cleanup.move());
  }

  async invite(uses = 1, lifetimeMs = 3_600_000): Promise<string> {
    const invite = await this.acting.invites.create({ uses, lifetimeMs, createdBy: operatorName });
    return invite.id;
  }

  admit(inviteId: string, request: AdmissionRequest): Promise<AdmissionResult> {
    return this.acting.admissions.admit(inviteId, request);
  }

  /** Admits somebody new by an invite of its own. */
  async member(name: string): Promise<MemberRecord> {
    const result = await this.admit(await this.invite(), newcomer(name));
    if (result.kind === 'admitted') return result.member;
    throw new Error(`${name} was refused: ${result.message}`);
  }

  /** The audit log as the store has it, oldest first. */
  async audit(): Promise<readonly AuditRecord[]> {
    const { entries } = await this.store.range(auditPrefix(this.subset));
    return entries.map(({ key, value }) => decodeRecord(auditRecordSchema, key, value));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#cleanup[Symbol.asyncDispose]());
  }
}

/** Takes the lease, which its own master may have from before, and waits for nobody. */
async function hold(subset: SubsetName, master: MasterName, store: Store): Promise<SubsetLease> {
  const seen = await store.get(leaseKey(subset));
  const lease = await takeSubsetLease(
    { subset, master, seenRevision: seen?.modRevision ?? 0 },
    { store, clock: systemClock, log: silentLog(), onRenewalFailed: () => undefined },
    new AbortController().signal,
  );
  if (lease) return lease;
  throw new Error(`somebody else has taken the lease of ${subset}`);
}

/** A node that nobody knows yet. */
export function newcomer(name: string): AdmissionRequest {
  return {
    name: parseMemberName(name),
    identityKey: createHash('sha256').update(randomUUID()).digest('base64url') as IdentityKey,
    keys: { acting: createWireguardKeyPair().publicKey },
  };
}
