import { countHops, probeRound } from '../../../src/member/measuring/probe-master.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

/*
 * Measures the STUN server at the numeric address and port of its arguments as a member does, and prints
 * one JSON document.
 */
const [address = '', port] = process.argv.slice(2);
const server = { address, port: Number(port) };
const dependencies = { clock: systemClock, random: Math.random };
const { signal } = new AbortController();
const { samples, seenAs } = await probeRound(server, dependencies, signal);
const latencyMs = Math.max(...samples.map((sample = 0) => sample));
const hops = await countHops(server, { latencyMs, jitterMs: 0 }, dependencies, signal);
process.stdout.write(JSON.stringify({ samples, seenAs, hops }));
