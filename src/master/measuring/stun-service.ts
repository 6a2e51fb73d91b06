import { type Endpoint, hostOf } from '../../model/endpoint.ts';
import { describeError } from '../../model/error.ts';
import type { MasterName } from '../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import { masterRecordSchema } from '../../model/records/directory.ts';
import { runUntilAborted } from '../../runtime/abort.ts';
import { Backoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { masterKey } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';
import { defaultStunPort, type StunOutcome, StunServer } from '../../stun/stun-server.ts';
import { MasterError } from '../master-error.ts';

export interface StunServiceOptions {
  readonly master: MasterName;
  /** Of the control port: STUN is answered on the same host. */
  readonly listen: Endpoint;
  /** `defaultStunPort`, where that is free, unless said. */
  readonly stunPort?: number | 'off' | undefined;
}

export interface StunServiceDependencies {
  /** The directory's. */
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly onPacket: (outcome: StunOutcome) => void;
  /** Ends when the master stops. */
  readonly signal: AbortSignal;
}

const announceDelays = { minMs: 500, maxMs: 30_000 };

/**
 * Answers STUN, and has the directory say where, so that members find it. A master can do without: where
 * nobody has chosen the port and it is taken, it says so and goes on.
 * @throws MasterError `port-taken` for a port that was chosen
 */
export async function serveStun(
  options: StunServiceOptions,
  dependencies: StunServiceDependencies,
): Promise<AsyncDisposable> {
  await using cleanup = new AsyncDisposableStack();
  const { listen: control, stunPort } = options;
  const server = stunPort === 'off' ? undefined : await listen(control, stunPort, dependencies);
  if (server) cleanup.use(server);
  const stop = new AbortController();
  cleanup.defer(() => stop.abort());
  const signal = AbortSignal.any([dependencies.signal, stop.signal]);
  void runUntilAborted(
    (until) => announce(options.master, server?.port, dependencies, until),
    signal,
    (error) => dependencies.log.error({ error }, 'the directory does not say where STUN is'),
  );
  return cleanup.move();
}

async function listen(
  control: Endpoint,
  stunPort: number | undefined,
  dependencies: StunServiceDependencies,
): Promise<StunServer | undefined> {
  const [host, port] = [hostOf(control), stunPort ?? defaultStunPort];
  // The version is nobody's business before there is a certificate.
  const options = { host, port, software: 'hanse' };
  try {
    return await StunServer.listen(options, dependencies);
  } catch (cause) {
    const problem = `STUN cannot be answered at UDP port ${port} of ${host}: ${describeError(cause)}`;
    if (stunPort === undefined) {
      dependencies.log.warn({ problem }, 'members cannot measure this master: set stunPort');
      return undefined;
    }
    throw new MasterError(`${problem}; choose another stunPort, or "off"`, {
      code: 'port-taken',
      fields: { port: String(port) },
      cause,
    });
  }
}

/** Until the record of the master says so. A master of an earlier version may write it back; the next start puts it right. */
async function announce(
  master: MasterName,
  stunPort: number | undefined,
  { store, clock, log }: StunServiceDependencies,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff(announceDelays);
  for (;;) {
    try {
      if (await writeStunPort(master, stunPort, store, signal)) return;
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ error }, 'could not tell the directory where STUN is; trying again');
    }
    await clock.sleep(backoff.nextDelayMs(), signal);
  }
}

/** @returns false when somebody else has changed the record meanwhile */
async function writeStunPort(
  master: MasterName,
  stunPort: number | undefined,
  store: Store,
  signal: AbortSignal,
): Promise<boolean> {
  const key = masterKey(master);
  const entry = await store.get(key, signal);
  // Taken out of the directory: there is nobody to be measured.
  if (!entry) return true;
  const { stunPort: known, ...record } = decodeRecord(masterRecordSchema, key, entry.value);
  if (known === stunPort) return true;
  const changed = stunPort === undefined ? record : { ...record, stunPort };
  const { succeeded } = await store.transact(
    {
      if: [{ key, modRevision: entry.modRevision }],
      then: [{ put: key, value: encodeRecord(changed) }],
    },
    signal,
  );
  return succeeded;
}
