import { setTimeout as delay } from 'node:timers/promises';
import type { View } from '../../src/api/messages.ts';
import { describeStatus } from '../../src/master/describe-status.ts';
import { ControlServer } from '../../src/master/http/control-server.ts';
import { Master } from '../../src/master/master.ts';
import { type MasterIdentity, readMasterIdentity } from '../../src/master/master-identity.ts';
import { MasterMetrics } from '../../src/master/observability/master-metrics.ts';
import type { PlaceLookup } from '../../src/master/place/place-lookup.ts';
import type { AsPaths } from '../../src/master/placing/as-paths.ts';
import type { ActingSubset } from '../../src/master/subset/acting-subset.ts';
import type { Endpoint } from '../../src/model/endpoint.ts';
import { type MasterName, parseMasterName, parseSubsetName } from '../../src/model/names.ts';
import { runUntilAborted } from '../../src/runtime/abort.ts';
import { type Log, silentLog } from '../../src/runtime/log.ts';
import { openStore } from '../../src/store/open-store.ts';
import { RollStores } from '../../src/store/roll-stores.ts';
import type { Store } from '../../src/store/store.ts';
import { JumpingClock } from './jumping-clock.ts';
import type { MasterBed } from './master-bed.ts';
import { MasterHost } from './master-host.ts';
import { until } from './until.ts';

export interface RunningMasterOptions {
  readonly log?: Log;
  /** Stands between the master and its store. */
  readonly wrapStore?: (store: Store) => Store;
  readonly places?: PlaceLookup;
  readonly asPaths?: AsPaths;
}

interface Parts {
  readonly bed: MasterBed;
  readonly master: Master;
  readonly identity: MasterIdentity;
  readonly metrics: MasterMetrics;
  readonly clock: JumpingClock;
  readonly host: MasterHost;
  readonly store: Store;
}

/**
 * A whole master within this process: a store handle, TLS listener and leases of its own. Only the
 * machine below it is an object of the test's. `run-master.ts` does the same on a real machine.
 */
export class RunningMaster implements AsyncDisposable {
  readonly master: Master;
  readonly metrics: MasterMetrics;
  readonly clock: JumpingClock;
  readonly host: MasterHost;
  readonly store: Store;
  readonly identity: MasterIdentity;
  readonly bed: MasterBed;
  readonly #cleanup: AsyncDisposable;

  private constructor(parts: Parts, cleanup: AsyncDisposable) {
    this.master = parts.master;
    this.metrics = parts.metrics;
    this.clock = parts.clock;
    this.host = parts.host;
    this.store = parts.store;
    this.identity = parts.identity;
    this.bed = parts.bed;
    this.#cleanup = cleanup;
  }

  static async start(
    bed: MasterBed,
    masterName: string,
    options: RunningMasterOptions = {},
  ): Promise<RunningMaster> {
    const { log = silentLog(), wrapStore = (store) => store, places, asPaths } = options;
    await using cleanup = new AsyncDisposableStack();
    const name = parseMasterName(masterName);
    const identity = await readMasterIdentity(bed.directory.master(name));
    const store = wrapStore(cleanup.use(await openStore(bed.storeUrl)));
    const stop = new AbortController();
    const [clock, host, metrics] = [new JumpingClock(), new MasterHost(), new MasterMetrics()];
    const underlay = { tunnelMtuTo: async () => 1_420, tunnelMtuAt: async () => 1_420 };
    const rollStores = cleanup.use(new RollStores({ directory: store }));
    const dependencies = {
      store,
      rollStores,
      host,
      clock,
      log,
      metrics,
      underlay,
      signal: stop.signal,
      ...(places ? { places } : {}),
      ...(asPaths ? { asPaths } : {}),
    };
    const master = await Master.open({ name, identity, sealingKey: bed.sealingKey }, dependencies);
    master.subsets.reconcile();
    const tasks = Promise.all([
      runUntilAborted((signal) => master.follower.run(signal), stop.signal, failTest),
      runUntilAborted((signal) => master.hub.runHeartbeats(signal), stop.signal, failTest),
      runUntilAborted((signal) => master.carriers.run(signal), stop.signal, failTest),
    ]);
    cleanup.defer(async () => {
      stop.abort();
      await master.subsets.stop();
      await tasks;
    });
    const parts = { bed, master, identity, metrics, clock, host, store };
    cleanup.use(await serve(parts, name, log));
    cleanup.defer(() => master.hub.closeAll());
    await actsForAll(master);
    return new RunningMaster(parts, cleanup.move());
  }

  get endpoint(): Endpoint {
    const known = this.master.directory.masters.get(this.master.name);
    if (!known) throw new Error('the directory does not have this master');
    return known.record.control;
  }

  /** What this master holds of a subset that it acts for now. */
  subset(name: string): ActingSubset {
    return this.master.subsets.require(parseSubsetName(name));
  }

  /** What this master tells members of a subset that it serves. */
  view(name: string): View {
    return this.master.views.current(this.master.subsets.requireServed(parseSubsetName(name)));
  }

  async received(sender: string, kind: string): Promise<number> {
    const counts = await this.metrics.receivedCounts();
    return counts.find((row) => row.sender === sender && row.kind === kind)?.count ?? 0;
  }

  async refused(code: string): Promise<number> {
    const counts = await this.metrics.refusedCounts();
    return counts.find((row) => row.code === code)?.count ?? 0;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#cleanup[Symbol.asyncDispose]());
  }
}

/** Resolves when the master acts for all that the directory gives it. */
async function actsForAll({ directory, subsets, name }: Master): Promise<void> {
  const acting = directory.servedBy(name).filter((record) => record.acting === name);
  await until('the master acts', () =>
    acting.every((record) => subsets.find(record.name) !== undefined),
  );
}

function serve(parts: Parts, name: MasterName, log: Log): Promise<ControlServer> {
  const { bed, master, identity, metrics, clock, host, store } = parts;
  const status = {
    name,
    storeUrl: bed.storeUrl,
    startedAtMs: clock.nowMs(),
    backend: host.backend,
  };
  const known = master.directory.masters.get(name);
  if (!known) throw new Error(`the directory has no valid record of ${name}`);
  return ControlServer.listen(
    {
      listen: known.record.control,
      certificate: identity.certificate,
      privateKey: identity.privateKey,
      rootCertificate: bed.vpn.rootCertificate,
    },
    {
      routes: {
        ...master.parts,
        store,
        clock,
        describeStatus: () => describeStatus(master, status, { metrics, clock }),
      },
      sessions: master.sessions,
      carriers: master.carriers,
      received: (sender, kind) => master.received(sender, kind),
      log,
    },
  );
}

/** A part of the master that ends by itself is a failure of whatever test is running. */
function failTest(error: unknown): void {
  void delay(0).then(() => {
    throw error;
  });
}
