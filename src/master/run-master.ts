import { serveMetrics } from '../api/server/metrics-server.ts';
import { vpnPrefixes } from '../core/gateway-plan.ts';
import { createHost } from '../host/host.ts';
import { readLinks } from '../host/link/link-snapshot.ts';
import { assertNoOverlap } from '../host/network-overlap.ts';
import { createRelay, removeRelay } from '../host/relay/relay.ts';
import type { PortRange } from '../host/relay/relay-ports.ts';
import { createRunner, type Runner } from '../host/runner.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { MasterName } from '../model/names.ts';
import { decodeRecord } from '../model/records/codec.ts';
import { type VpnRecord, vpnRecordSchema } from '../model/records/directory.ts';
import { dataDirectory } from '../provision/data-directory.ts';
import { readSealingKey } from '../provision/sealing-key-file.ts';
import { aborted, runUntilAborted } from '../runtime/abort.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { lockDirectory } from '../runtime/directory-lock.ts';
import { createLog, type Log, type LogLevel } from '../runtime/log.ts';
import { vpnKey } from '../store/keys.ts';
import { openStore } from '../store/open-store.ts';
import { RollStores } from '../store/roll-stores.ts';
import type { Store } from '../store/store.ts';
import type { StunOutcome } from '../stun/stun-server.ts';
import { describeNeighbours, describeStatus } from './describe-status.ts';
import { ControlServer } from './http/control-server.ts';
import { Master } from './master.ts';
import { MasterError } from './master-error.ts';
import { type MasterIdentity, readMasterIdentity } from './master-identity.ts';
import { serveStun } from './measuring/stun-service.ts';
import { MasterMetrics } from './observability/master-metrics.ts';
import { readSystemGraph } from './place/as-links.ts';
import { PlaceLookup } from './place/place-lookup.ts';
import { AsPaths } from './placing/as-paths.ts';
import { createUnderlay } from './underlay.ts';

export interface MasterConfig {
  readonly name: MasterName;
  /** The data directory of `hanse vpn create`. */
  readonly dir: string;
  /** As `openStore` takes it. */
  readonly store: string;
  /** Where this machine reaches the stores of regions, when otherwise than the directory says. */
  readonly regions?: Readonly<Record<string, string>> | undefined;
  readonly listen: Endpoint;
  /** As `StunServiceOptions` has it. */
  readonly stunPort?: number | 'off' | undefined;
  /** Files, see `PlaceDatabases`. */
  readonly placeDatabase?: string | undefined;
  readonly asDatabase?: string | undefined;
  /** A file, see `readAsLinks`. */
  readonly asLinks?: string | undefined;
  readonly metricsListen?: Endpoint | undefined;
  /** For datagrams between members that find no direct path; absent for no relay. */
  readonly relayPorts?: PortRange | undefined;
  readonly logLevel: LogLevel;
}

/** How often keys and interfaces are looked after and traffic is counted when nothing happens; it starts some programs. */
const upkeepEveryMs = 30_000;

/**
 * Runs a master until the signal is aborted. Its tunnels stay up afterwards: traffic does not stop
 * because a master restarts.
 * @throws InvalidInputError, HostError, MasterError, StoreError when it cannot start; nothing is
 *   touched then. DirectoryBusyError when this master runs already
 */
export async function runMaster(config: MasterConfig, signal: AbortSignal): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const log = createLog({ level: config.logLevel, name: config.name });
  const metrics = new MasterMetrics();
  const directory = dataDirectory(config.dir);
  const files = directory.master(config.name);
  cleanup.use(await lockDirectory(files.directory));
  const identity = await readMasterIdentity(files);
  const sealingKey = await readSealingKey(directory.sealingKey);
  const places = await PlaceLookup.open({
    places: config.placeDatabase,
    systems: config.asDatabase,
  });
  const { asLinks } = config;
  const asPaths = asLinks === undefined ? undefined : new AsPaths(await readSystemGraph(asLinks));
  const observe = (operation: string, seconds: number): void =>
    metrics.storeOperation(operation, seconds);
  const store = cleanup.use(await openStore(config.store, { log, observe }));
  const urls = config.regions ?? {};
  const rollStores = cleanup.use(new RollStores({ directory: store, urls }, { log, observe }));
  const stop = new AbortController();
  const running = AbortSignal.any([signal, stop.signal]);
  const environment = { clock: systemClock, log, metrics, store, rollStores, signal: running };
  const { vpn, ...machine } = await prepareMachine(config, environment);
  const master = await Master.open(
    { name: config.name, identity, sealingKey },
    { ...environment, ...machine, places, asPaths },
  );
  cleanup.use(master.relays);
  const tasks = runTasks(master, environment, stop);
  cleanup.defer(async () => {
    stop.abort(new Error('the master stops'));
    await master.subsets.stop();
    await tasks;
  });
  await serve(
    master,
    { config, identity, vpn, startedAtMs: systemClock.nowMs() },
    { ...environment, ...machine, cleanup },
  );
  log.info({ vpn: vpn.name, listen: config.listen, backend: machine.host.backend }, 'serving');
  await aborted(running);
  await master.subsets.handOverAll();
  if (!signal.aborted) throw stop.signal.reason;
}

/**
 * Takes the tunnels of a master that does not run away from this machine: from then on its members
 * reach nobody through it.
 * @throws DirectoryBusyError while it runs; StoreError, HostError
 */
export async function takeDownMaster(
  config: Pick<MasterConfig, 'name' | 'dir' | 'store'>,
  log: Log,
): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  cleanup.use(await lockDirectory(dataDirectory(config.dir).master(config.name).directory));
  const vpn = await readVpn(cleanup.use(await openStore(config.store, { log })));
  const runner = createRunner();
  const owner = ownerOf(vpn, config.name);
  const host = await createHost({ owner }, { runner, log });
  await host.destroy();
  await removeRelay(owner, runner);
}

/** How the master's interfaces are marked; see `interfacesOfVpn`. */
function ownerOf(vpn: VpnRecord, master: MasterName): string {
  return `${vpn.id}/${master}`;
}

interface Environment {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: MasterMetrics;
  readonly store: Store;
  readonly rollStores: RollStores;
  readonly signal: AbortSignal;
}

/** Everything about the machine is checked before anything on it is touched. */
async function prepareMachine(
  { name, relayPorts: ports }: MasterConfig,
  { clock, log, store }: Environment,
) {
  const vpn = await readVpn(store);
  const runner = createRunner();
  await assertNoOverlap(vpnPrefixes(vpn), await interfacesOfVpn(vpn, runner), runner);
  const owner = ownerOf(vpn, name);
  const host = await createHost({ owner }, { runner, log, clock });
  await removeRelay(owner, runner);
  const relaying = ports && { createRelay: () => createRelay({ owner, ports }, { runner, log }) };
  return { vpn, host, underlay: createUnderlay({ runner, clock }), ...relaying };
}

async function readVpn(store: Store): Promise<VpnRecord> {
  const entry = await store.get(vpnKey);
  if (entry) return decodeRecord(vpnRecordSchema, entry.key, entry.value);
  throw new MasterError(
    'the store holds no VPN: make one with "hanse vpn create", or name the right store',
    {
      code: 'no-authority',
    },
  );
}

/** Several nodes of one VPN may share a machine; their networks are the VPN's own. */
async function interfacesOfVpn(vpn: VpnRecord, runner: Runner): Promise<ReadonlySet<string>> {
  const links = [...(await readLinks(runner)).values()];
  return new Set(
    links.filter(({ alias }) => alias.startsWith(`hanse:${vpn.id}/`)).map(({ name }) => name),
  );
}

/** What goes on by itself. When a part of it fails for good, the whole master stops and says why. */
async function runTasks(
  master: Master,
  environment: Environment,
  stop: AbortController,
): Promise<void> {
  const { signal } = environment;
  const fail = (error: unknown): void => stop.abort(error);
  master.subsets.reconcile();
  await Promise.all([
    runUntilAborted((until) => master.follower.run(until), signal, fail),
    runUntilAborted((until) => master.hub.runHeartbeats(until), signal, fail),
    runUntilAborted((until) => master.carriers.run(until), signal, fail),
    runUntilAborted((until) => master.gateway.run(until), signal, fail),
    runUntilAborted((until) => master.introductions.run(until), signal, fail),
    runUntilAborted((until) => master.sharedKeys.run(until), signal, fail),
    runUntilAborted((until) => runUpkeep(master, environment, until), signal, fail),
  ]);
}

async function runUpkeep(
  master: Master,
  { clock, log }: Environment,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await master.gateway.lookAfter();
    await master.relays.lookAfter();
    await master.gateway
      .observe()
      .then((peers) => master.traffic.note(peers))
      .catch((error: unknown) => log.warn({ error }, 'could not count the traffic of members'));
    await master
      .rotateBackboneKeyIfOld()
      .catch((error: unknown) => log.warn({ error }, 'could not rotate the backbone key'));
    await clock.sleep(upkeepEveryMs, signal).catch(() => undefined);
  }
}

interface ServeOptions {
  readonly config: MasterConfig;
  readonly identity: MasterIdentity;
  readonly vpn: VpnRecord;
  readonly startedAtMs: number;
}

interface ServeDependencies extends Environment {
  readonly host: Awaited<ReturnType<typeof createHost>>;
  readonly cleanup: AsyncDisposableStack;
}

async function serve(
  master: Master,
  options: ServeOptions,
  dependencies: ServeDependencies,
): Promise<void> {
  const { config, identity, vpn, startedAtMs } = options;
  const { host, metrics, clock, cleanup } = dependencies;
  observeMaster(master, dependencies);
  const status = { name: config.name, storeUrl: config.store, startedAtMs, backend: host.backend };
  const routes = {
    ...dependencies,
    ...master.parts,
    describeStatus: () => describeStatus(master, status, { metrics, clock }),
  };
  cleanup.use(
    await ControlServer.listen(
      {
        listen: config.listen,
        certificate: identity.certificate,
        privateKey: identity.privateKey,
        rootCertificate: vpn.rootCertificate,
      },
      {
        ...dependencies,
        routes,
        sessions: master.sessions,
        carriers: master.carriers,
        received: (sender, kind) => master.received(sender, kind),
      },
    ),
  );
  cleanup.defer(() => master.hub.closeAll());
  const { listen, stunPort } = config;
  const onPacket = (outcome: StunOutcome): void => metrics.measuring.stun(outcome);
  const stun = { master: master.name, listen, stunPort };
  cleanup.use(await serveStun(stun, { ...dependencies, onPacket }));
  if (config.metricsListen) cleanup.use(await serveMetrics(config.metricsListen, metrics.registry));
}

/** The figures that Prometheus asks for. */
function observeMaster(master: Master, { metrics, clock, host }: ServeDependencies): void {
  metrics.observe({
    subsets: () =>
      master.subsets.serving().map(({ subset, roll, key }) => ({
        subset,
        role: master.subsets.find(subset) ? 'acting' : 'backup',
        members: roll.activeCount,
        sessions: master.hub.count(subset),
        epoch: key.epoch,
      })),
    backboneHandshakes: async () =>
      describeNeighbours(master, await master.gateway.observe(), clock.nowMs()).flatMap(
        ({ name, handshakeAgeMs }) =>
          handshakeAgeMs === undefined ? [] : [{ master: name, ageMs: handshakeAgeMs }],
      ),
    backbonePaths: () =>
      Array.from(master.gateway.pathStatuses(), ([name, { isAlive }]) => ({
        master: name,
        isAlive,
      })),
    carried: () => master.carriers.size,
    strays: () => master.gateway.strayCount,
    relayed: () => master.relays.figures,
    drops: async () =>
      Object.entries(await host.observeDrops()).map(([rule, packets]) => ({ rule, packets })),
  });
}
