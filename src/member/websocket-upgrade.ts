import type { TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';

/** How long a master may take to answer a close before its connection is cut. */
const closeTimeoutMs = 1_000;

export interface UpgradeTarget {
  /** `host:port` of the master. */
  readonly endpoint: string;
  readonly path: string;
  /** The subprotocol to offer. */
  readonly protocol: string;
  /** Bytes of a message at most. */
  readonly maxPayload: number;
}

/**
 * Makes a WebSocket of a TLS connection whose other end has been checked, and something of the
 * WebSocket in the event in which it opens: the first message may be in the same read.
 * @throws the signal's reason; whatever `ws` says; the TLS connection is closed then
 */
export async function upgradeToWebSocket<T>(
  socket: TLSSocket,
  { endpoint, path, protocol, maxPayload }: UpgradeTarget,
  onOpen: (webSocket: WebSocket) => T,
  signal: AbortSignal,
): Promise<T> {
  const options = {
    createConnection: () => socket,
    perMessageDeflate: false,
    maxPayload,
    closeTimeout: closeTimeoutMs,
  };
  const webSocket = new WebSocket(`ws://${endpoint}${path}`, protocol, options);
  const abort = () => webSocket.terminate();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await new Promise<T>((resolve, reject) => {
      webSocket.once('open', () => resolve(onOpen(webSocket)));
      webSocket.once('error', (cause) => reject(signal.aborted ? signal.reason : cause));
    });
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
