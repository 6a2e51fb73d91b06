import { release } from 'node:os';
import type { MasterStatus } from '../api/endpoints.ts';
import type { PeerObservation } from '../host/host.ts';
import type { WireguardBackend } from '../host/wireguard/backend.ts';
import type { MasterName } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import { softwareVersion } from '../runtime/software-version.ts';
import { directoryPrefix } from '../store/keys.ts';
import type { Master } from './master.ts';
import type { MasterMetrics } from './observability/master-metrics.ts';
import { Roll } from './subset/roll.ts';

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
    watches: [directoryPrefix, ...[...master.subsets.following().keys()].flatMap(Roll.prefixesOf)],
    subsets: subsetStatuses(master),
    masters: handshakeAges(master, await master.gateway.observe(), clock.nowMs()),
    received: [...(await metrics.receivedCounts()), ...(await metrics.storeEventCounts())],
    refused: await metrics.refusedCounts(),
  };
}

function subsetStatuses({ subsets, hub }: Master): MasterStatus['subsets'] {
  const backup = [...subsets.following()].map(([name, roll]) => ({
    name,
    role: 'backup' as const,
    members: roll.activeCount,
    suspended: roll.suspendedCount,
    connected: 0,
  }));
  const acting = subsets.acting().map(({ state }) => ({
    name: state.subset,
    role: 'acting' as const,
    epoch: state.key.epoch,
    keyCreatedAtMs: state.key.createdAtMs,
    members: state.roll.activeCount,
    suspended: state.roll.suspendedCount,
    connected: hub.count(state.subset),
  }));
  return [...acting, ...backup];
}

/** The other masters, and when WireGuard last shook hands with each. */
export function handshakeAges(
  { directory, name: self }: Master,
  observations: readonly PeerObservation[],
  nowMs: number,
): MasterStatus['masters'] {
  const latest = new Map(observations.map((peer) => [peer.publicKey, peer.latestHandshakeMs]));
  const others = [...directory.masters.values()].filter(({ record }) => record.name !== self);
  return others.map(({ record, keys }) => {
    const handshakeMs = latest.get(keys.backbone);
    return {
      name: record.name,
      ...(handshakeMs ? { handshakeAgeMs: Math.max(0, nowMs - handshakeMs) } : {}),
    };
  });
}
