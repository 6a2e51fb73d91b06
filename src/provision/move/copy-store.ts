import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { KeyValue } from '../../store/differences.ts';
import { actingPrefix, regionIdentityKey, vpnKey } from '../../store/keys.ts';
import type { Entry, Store } from '../../store/store.ts';
import { changesSince, currentRevision, scanStore } from '../../store/whole-store.ts';
import { ProvisionError } from '../provision-error.ts';
import { counting, type MoveProgress } from './move-progress.ts';
import { notEmpty, StoreFilling, type Verified, verifyStore } from './store-filling.ts';

/** A store and its URL, for messages. */
export interface NamedStore {
  readonly store: Store;
  readonly storeUrl: string;
}

export interface CopyOptions {
  readonly from: NamedStore;
  readonly to: NamedStore;
}

export interface CopyDependencies {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: MoveProgress) => void;
  /** Called when all is copied and verified, and before anybody could take the copy for a VPN's store. */
  readonly beforeEnd: () => Promise<void>;
}

export interface CopyResult extends Verified {
  /** Went on from where an earlier attempt was interrupted. */
  readonly isResumed: boolean;
  /** The target had held the very same already; nothing was written. */
  readonly wasThere: boolean;
  /** Bound to leases, or about them: a store's own. */
  readonly skipped: readonly string[];
}

/** A master that was killed holds its lease for some seconds more. */
const leasePatienceMs = 8_000;
const leasePollMs = 250;

/**
 * Copies a VPN from one store into another, empty one, key by key and value by value, and compares
 * all of it afterwards. Whatever kills it: the same call, made again, completes it. Until its end the
 * target does not say whose it is, and no master starts on it.
 * @throws ProvisionError `in-use` while masters act on the source, `not-empty`, `source-changed`,
 *   `differs`, `no-vpn` when there is nothing to copy, `conflict`; StoreError
 */
export async function copyStore(
  { from, to }: CopyOptions,
  dependencies: CopyDependencies,
): Promise<CopyResult> {
  const { signal } = dependencies;
  const survey = await surveySource(from, dependencies);
  await requireResting(from, survey.skipped.filter(subsetOfLease), signal);
  const revision = await currentRevision(from.store, signal);
  const wanted = (): AsyncIterable<KeyValue> => copiedEntries(from.store, signal);
  const target = { ...to, signal };
  if (await isTaken(to.store, signal)) {
    const verified = await verifyStore(wanted(), target).catch(() => undefined);
    if (!verified) throw notEmpty(to);
    await dependencies.beforeEnd();
    return { ...verified, isResumed: false, wasThere: true, skipped: survey.skipped };
  }
  const filling = await StoreFilling.begin({ kind: 'copy', source: survey.identity }, target);
  const { onProgress } = dependencies;
  await filling.write(withoutSign(wanted()), counting('writing', survey.total, onProgress));
  const onCompared = counting('verifying', survey.total, onProgress);
  const verified = await verifyStore(wanted(), target, {
    onCompared,
    ...(survey.sign ? { pending: survey.sign.key } : {}),
  });
  await requireUnchanged(from, revision, signal);
  await dependencies.beforeEnd();
  await filling.finish(survey.sign);
  return { ...verified, isResumed: filling.isResumed, wasThere: false, skipped: survey.skipped };
}

/** What the source has, from reading it once. */
interface Survey {
  readonly total: number;
  /** SHA-256 of that sign; of the first entry where there is none. */
  readonly identity: string;
  /** What tells masters whose store it is. */
  readonly sign: KeyValue | undefined;
  readonly skipped: readonly string[];
}

async function surveySource(
  { store, storeUrl }: NamedStore,
  { signal, onProgress }: CopyDependencies,
): Promise<Survey> {
  const skipped: string[] = [];
  let total = 0;
  let first: KeyValue | undefined;
  let sign: KeyValue | undefined;
  for await (const entry of scanStore(store, signal)) {
    if (!isCopied(entry)) {
      skipped.push(entry.key);
      continue;
    }
    total += 1;
    first ??= entry;
    if (isSign(entry.key)) sign = { key: entry.key, value: entry.value };
    onProgress({ phase: 'counting', done: total, total });
  }
  if (!first) {
    throw new ProvisionError(
      `the store ${storeUrl} is empty: there is nothing to copy; name the right one with --from`,
      { code: 'no-vpn', fields: { store: storeUrl } },
    );
  }
  return { total, identity: identityOf(sign ?? first), sign, skipped };
}

function identityOf({ key, value }: KeyValue): string {
  return createHash('sha256').update(key).update('\0').update(value).digest('hex');
}

/**
 * Leases do not move, and neither does who acts by one: that record is compared by revisions, which
 * begin anew in another store.
 */
function isCopied({ key, lease }: Entry): boolean {
  return lease === undefined && !key.startsWith(actingPrefix);
}

async function* copiedEntries(store: Store, signal: AbortSignal): AsyncGenerator<KeyValue> {
  for await (const entry of scanStore(store, signal)) if (isCopied(entry)) yield entry;
}

async function* withoutSign(entries: AsyncIterable<KeyValue>): AsyncGenerator<KeyValue> {
  for await (const entry of entries) if (!isSign(entry.key)) yield entry;
}

/** A store without it is nobody's: masters start on none that does not say whose it is. */
const isSign = (key: string): boolean => key === vpnKey || key === regionIdentityKey;

/** Whether the target is somebody's already. */
async function isTaken(store: Store, signal: AbortSignal): Promise<boolean> {
  const signs = await Promise.all([vpnKey, regionIdentityKey].map((key) => store.get(key, signal)));
  return signs.some((entry) => entry !== undefined);
}

/** @throws ProvisionError `in-use` when masters go on acting */
async function requireResting(
  { store, storeUrl }: NamedStore,
  leases: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const untilMs = performance.now() + leasePatienceMs;
  for (;;) {
    const held = await Promise.all(leases.map((key) => store.get(key, signal)));
    const subsets = held.flatMap((entry) => (entry ? [subsetOfLease(entry.key)] : []));
    if (subsets.length === 0) return;
    if (performance.now() >= untilMs) {
      throw new ProvisionError(
        `masters act on ${storeUrl}, for ${subsets.join(', ')}: stop every master of the VPN first; their tunnels stay up meanwhile`,
        { code: 'in-use', fields: { subsets }, retryable: true },
      );
    }
    await delay(leasePollMs, undefined, { signal });
  }
}

/** The subset whose lease the key is; an empty text for any other key. */
function subsetOfLease(key: string): string {
  return /^roll\/([^/]+)\/lease$/.exec(key)?.[1] ?? '';
}

async function requireUnchanged(
  { store, storeUrl }: NamedStore,
  revision: number,
  signal: AbortSignal,
): Promise<void> {
  const [change] = await changesSince(store, revision, signal);
  if (!change) return;
  const key = change.kind === 'put' ? change.entry.key : change.key;
  throw new ProvisionError(
    `${storeUrl} was changed while it was copied (the key "${key}" was ${change.kind === 'put' ? 'written' : 'deleted'}): stop every master and whatever else writes to it, and run this again`,
    { code: 'source-changed', fields: { key }, retryable: true },
  );
}
