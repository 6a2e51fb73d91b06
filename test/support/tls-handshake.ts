import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { Credentials } from './certificate-bed.ts';

/** What one end of a handshake knows of the other. */
export interface PeerView {
  /** Whether the chain leads to the root, as far as TLS checks it. */
  readonly authorized: boolean;
  /** OpenSSL's reason, when not. */
  readonly fault: string | undefined;
  readonly certificate: X509Certificate;
}

export interface HandshakeResult {
  readonly atServer: PeerView;
  readonly atClient: PeerView;
}

/**
 * A real TLS 1.3 handshake with client certificate over loopback. Neither end hangs up on a bad
 * certificate, so that both views can be told.
 */
export async function handshake(options: {
  readonly server: Credentials;
  readonly client: Credentials;
  /** PEM, which both ends trust. */
  readonly root: string;
}): Promise<HandshakeResult> {
  const common = {
    ca: options.root,
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false,
  } as const;
  const server = createServer({ ...common, ...material(options.server), requestCert: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, 'secureConnection');
  const client = connect({
    ...common,
    ...material(options.client),
    host: '127.0.0.1',
    port,
    // Who the server is gets decided by its certificate's identity, not by where it listens.
    checkServerIdentity: () => undefined,
  });
  try {
    const [[atServer]] = await Promise.all([accepted, once(client, 'secureConnect')]);
    const result = { atServer: viewOf(atServer as TLSSocket), atClient: viewOf(client) };
    (atServer as TLSSocket).destroy();
    return result;
  } finally {
    client.destroy();
    server.close();
  }
}

function material({ chain, keyPair }: Credentials) {
  return { cert: chain.join(''), key: keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }) };
}

function viewOf(socket: TLSSocket): PeerView {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new Error('the other end showed no certificate');
  const fault = socket.authorized ? undefined : String(socket.authorizationError);
  return { authorized: socket.authorized, fault, certificate };
}
