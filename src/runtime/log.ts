import { destination, type Logger, pino, stdSerializers } from 'pino';

/**
 * Structured logs, one JSON object a line, on standard error.
 *
 * Messages are constant; what varies goes into fields. Levels:
 * - `error`: somebody has to do something. `warn`: refused or repaired by itself, but not expected.
 * - `info`: what an operator would want to read of a day: membership, masters, start and stop.
 * - `debug`: sessions, retries, commands; the only level that may show text sent by a peer.
 * Keys, tokens and certificates' private parts are never logged.
 */
export type Log = Logger;

export const logLevels = ['error', 'warn', 'info', 'debug', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export function createLog(options: { readonly level: LogLevel; readonly name: string }): Log {
  // A disk that is full costs lines of the log, not the daemon.
  const output = destination({ fd: 2, sync: true }).on('error', () => undefined);
  return pino(
    {
      level: options.level,
      base: { node: options.name },
      serializers: { error: stdSerializers.err },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
    },
    output,
  );
}

/** For tests and for one-shot commands that speak to a person instead. */
export function silentLog(): Log {
  return pino({ level: 'silent' });
}
