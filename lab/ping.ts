import type { Runner } from '../src/host/runner.ts';

export interface PingOptions {
  /** Default 1. */
  readonly count?: number;
  /** Between requests; default 20. */
  readonly intervalMs?: number;
  /** How long to wait for an answer; default 1,000. */
  readonly timeoutMs?: number;
  readonly payloadBytes?: number;
  /** Whether routers must refuse what is too long instead of cutting it up. */
  readonly dontFragment?: boolean;
}

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** One for each answer, in order. */
  readonly roundTripsMs: readonly number[];
}

/** Sends echo requests by ping(8), whose exit code 1 says only that answers are missing. */
export async function ping(
  runner: Runner,
  address: string,
  options: PingOptions,
): Promise<PingResult> {
  const { count = 1, intervalMs = 20, timeoutMs = 1_000, payloadBytes = 56 } = options;
  const args = [
    ...['-n', '-c', String(count), '-i', String(intervalMs / 1_000)],
    ...['-W', String(timeoutMs / 1_000), '-s', String(payloadBytes)],
    ...(options.dontFragment ? ['-M', 'do'] : []),
    address,
  ];
  const line = ['-c', 'ping "$@" || test $? -eq 1', 'ping', ...args];
  const { stdout } = await runner.run('sh', line, {
    timeoutMs: count * intervalMs + 2 * timeoutMs + 5_000,
  });
  return parsePing(stdout);
}

/** @throws Error when ping printed no summary */
function parsePing(stdout: string): PingResult {
  const summary = /^(\d+) packets transmitted, (\d+) received/m.exec(stdout);
  if (!summary) throw new Error(`ping printed no summary:\n${stdout}`);
  const [, sent, received] = summary.map(Number);
  const times = stdout.matchAll(/ time=([\d.]+) ms$/gm);
  return {
    sent: sent ?? 0,
    received: received ?? 0,
    roundTripsMs: Array.from(times, ([, time]) => Number(time)),
  };
}
