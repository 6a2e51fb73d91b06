import { isIP } from 'node:net';
import { beginHopSearch, nextHopLimit, noteHopLimit } from '../../core/measuring/hop-search.ts';
import { samplesOfRound } from '../../core/measuring/probe-schedule.ts';
import { type Endpoint, hostOf } from '../../model/endpoint.ts';
import { parseAddress } from '../../model/prefix.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { SocketAddress } from '../../stun/mapped-address.ts';
import { StunClient } from '../../stun/stun-client.ts';
import type { ResolveHost } from '../resolve-endpoint.ts';
import type { ProbeRound } from './measured-master.ts';

export interface ProbeDependencies {
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
}

/** Longer than any way on Earth takes, by satellite too. */
const sampleTimeoutMs = 1_000;
/** Of a server that has not answered so often no answer is awaited any more. */
const patienceSamples = 3;
/** Between two requests: not so close that they queue behind each other. */
const gapMs = 20;
/** How often a hop limit is tried before it counts as too small: one packet may be lost. */
const triesOfLimit = 2;

/** The STUN server of the master with that control endpoint. @throws whatever the resolver throws */
export async function stunServerOf(
  control: Endpoint,
  port: number,
  resolveHost: ResolveHost,
): Promise<SocketAddress> {
  const host = hostOf(control);
  const address = isIP(host) !== 0 ? host : await resolveHost(host);
  // As the kernel writes it, so that answers can be compared with it.
  return { address: parseAddress(address), port };
}

/** Asks a server several times. @throws the signal's reason; system errors when there is no socket */
export async function probeRound(
  server: SocketAddress,
  { clock, random }: ProbeDependencies,
  signal: AbortSignal,
): Promise<ProbeRound> {
  using client = await StunClient.open(server, { clock });
  const samples: (number | undefined)[] = [];
  let seenAs: SocketAddress | undefined;
  while (samples.length < samplesOfRound) {
    const binding = await client.ask({ timeoutMs: sampleTimeoutMs }, signal);
    samples.push(binding?.roundTripMs);
    seenAs = binding?.seenAs ?? seenAs;
    if (seenAs === undefined && samples.length === patienceSamples) break;
    await clock.sleep(gapMs * (1 + random()), signal);
  }
  return seenAs ? { samples, seenAs } : { samples };
}

/**
 * How many links there are to a server that answers: the least hop limit with which it still does.
 * @param known what is known of it: its latency and jitter, and the number of before
 * @throws the signal's reason; system errors when there is no socket
 */
export async function countHops(
  server: SocketAddress,
  known: {
    readonly latencyMs: number;
    readonly jitterMs: number;
    readonly hops?: number | undefined;
  },
  { clock }: Pick<ProbeDependencies, 'clock'>,
  signal: AbortSignal,
): Promise<number> {
  using client = await StunClient.open(server, { clock });
  const timeoutMs = Math.min(sampleTimeoutMs, 100 + 2 * known.latencyMs + 4 * known.jitterMs);
  const isAnswered = async (hopLimit: number): Promise<boolean> => {
    for (let tries = 0; tries < triesOfLimit; tries += 1) {
      if (await client.ask({ timeoutMs, hopLimit }, signal)) return true;
    }
    return false;
  };
  let search = beginHopSearch(known.hops);
  for (let limit = nextHopLimit(search); limit !== undefined; limit = nextHopLimit(search)) {
    search = noteHopLimit(search, limit, await isAnswered(limit));
  }
  return search.enough;
}
