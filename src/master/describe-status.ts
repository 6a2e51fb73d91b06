import { release } from 'node:os';
import type { MasterStatus } from '../api/status-endpoints.ts';
import type { PeerObservation } from '../host/host.ts';
import type { WireguardBackend } from '../host/wireguard/backend.ts';
import type { MasterName } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import { softwareVersion } from '../runtime/software-version.ts';
import { directoryPrefix } from '../store/keys.ts';
import type { Master } from './master.ts';
import type { MasterMetrics } from './observability/master-metrics.ts';
import { RollFollower } from './subset/roll-follower.ts';

export interface StatusOptions {
  readonly name: MasterName;
  readonly storeUrl: string;
  readonly startedAtMs: number;
  readonly backend: WireguardBackend;
}

/** `GET /v1/status` */
export async function describeStatus(
  master: Master,
  options: StatusOptions,
  { metrics, clock }: { readonly metrics: MasterMetrics; readonly clock: Clock },
): Promise<MasterStatus> {
  const { backend } = options;
  return {
    master: options.name,
    software: softwareVersion,
    startedAtMs: options.startedAtMs,
    wireguard: {
      backend: backend.kind,
      version: backend.kind === 'kernel' ? release() : backend.version,
    },
    store: options.storeUrl,
    watches: [
      directoryPrefix,
      ...[...master.subsets.following().keys()].flatMap(RollFollower.prefixesOf),
    ],
    subsets: subsetStatuses(master),
    masters: describeNeighbours(master, await master.gateway.observe(), clock.nowMs()),
    received: [...(await metrics.receivedCounts()), ...(await metrics.storeEventCounts())],
    refused: await metrics.refusedCounts(),
  };
}

function subsetStatuses({ subsets, hub }: Master): MasterStatus['subsets'] {
  return subsets.serving().map(({ subset, roll, key }) => ({
    name: subset,
    role: subsets.find(subset) ? 'acting' : 'backup',
    epoch: key.epoch,
    keyCreatedAtMs: key.createdAtMs,
    members: roll.activeCount,
    suspended: roll.suspendedCount,
    connected: hub.count(subset),
  }));
}

/** The other masters: whether each is alive, and when WireGuard last shook hands with it. */
export function describeNeighbours(
  { directory, gateway, name: self }: Master,
  observations: readonly PeerObservation[],
  nowMs: number,
): MasterStatus['masters'] {
  const latest = new Map(observations.map((peer) => [peer.publicKey, peer.latestHandshakeMs]));
  const paths = gateway.pathStatuses();
  const others = [...directory.masters.values()].filter(({ record }) => record.name !== self);
  return others.map(({ record, keys }) => {
    const handshakeMs = latest.get(keys.backbone);
    const path = paths.get(record.name);
    return {
      name: record.name,
      ...(path?.isProven ? { isAlive: path.isAlive, sinceMs: path.sinceMs } : {}),
      ...(handshakeMs ? { handshakeAgeMs: Math.max(0, nowMs - handshakeMs) } : {}),
    };
  });
}
