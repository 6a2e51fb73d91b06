/** Often enough for NATs and proxies that forget idle connections after 30 s. */
export const heartbeatIntervalMs = 15_000;
/** Two heartbeats may be lost; nothing at all from the master for longer means that it is gone. */
export const silenceLimitMs = 45_000;
