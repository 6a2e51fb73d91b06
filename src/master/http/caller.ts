import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { describeError } from '../../model/error.ts';
import { dnsNameOf, type Identity, type VpnName } from '../../model/names.ts';
import type { IdentityKey } from '../../model/records/parts.ts';
import { verifyChain } from '../../trust/certificate-check.ts';
import { identityKeyOf, identityOfLeaf, type LeafIdentity } from '../../trust/leaf-certificate.ts';
import { TrustError, wrongUse } from '../../trust/trust-error.ts';

/** Whoever is at the other end of a TLS connection, as far as it has proved. */
export type Caller =
  | {
      readonly kind: 'known';
      readonly identity: Identity;
      readonly identityKey: IdentityKey;
      /** SubjectPublicKeyInfo, DER. */
      readonly publicKey: Buffer;
      /** The certificate has run out; everything else about it holds. */
      readonly expired: boolean;
    }
  /** Has a key and nothing that vouches for it: a node that has not joined yet. */
  | { readonly kind: 'stranger'; readonly identityKey: IdentityKey; readonly publicKey: Buffer }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

export interface CallerContext {
  readonly vpn: VpnName;
  /** PEM */
  readonly rootCertificate: string;
  readonly nowMs: number;
}

/**
 * Who is calling. The server asks for a client certificate and lets every handshake pass, so that a
 * refusal can say why; nothing is believed that this function does not return as `known`.
 */
export async function identifyCaller(socket: TLSSocket, context: CallerContext): Promise<Caller> {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) {
    return {
      kind: 'refused',
      code: 'no-certificate',
      message: 'present a client certificate of this VPN',
    };
  }
  try {
    if (socket.isSessionReused()) return resumed(certificate, socket.authorized, context);
    if (socket.authorized) return known(identityOfLeaf(certificate), context, false);
    // A self-signed certificate only carries a key, whose possession the handshake has proved.
    if (certificate.subject === certificate.issuer) return stranger(certificate);
    return await knownButExpired(certificate, context);
  } catch (error) {
    const code = error instanceof TrustError ? error.code : 'malformed';
    return { kind: 'refused', code, message: describeError(error) };
  }
}

function known(leaf: LeafIdentity, { vpn }: CallerContext, expired: boolean): Caller {
  if (leaf.identity.vpn !== vpn) {
    throw new TrustError(`the certificate is for the VPN ${leaf.identity.vpn}, this is ${vpn}`, {
      code: 'wrong-vpn',
      fields: { expected: vpn, actual: leaf.identity.vpn },
    });
  }
  return {
    kind: 'known',
    identity: leaf.identity,
    identityKey: leaf.publicKeySpkiSha256,
    publicKey: Buffer.from(leaf.publicKeySpki),
    expired,
  };
}

/**
 * A resumed handshake (RFC 8446 §2.2) proves that this process has checked the certificate before,
 * whole path and key, and says nothing of the time since. Members have a use for that; for anybody else
 * a ticket would only be a second key.
 * @throws TrustError `expired`, `wrong-use`, `untrusted`; another handshake, without the ticket, can succeed
 */
function resumed(
  certificate: X509Certificate,
  wasAuthorized: boolean,
  context: CallerContext,
): Caller {
  if (!wasAuthorized) {
    throw new TrustError('the session to resume was not that of a valid certificate', {
      code: 'untrusted',
      fields: {},
    });
  }
  const leaf = identityOfLeaf(certificate);
  const { identity, notAfterMs } = leaf;
  if (identity.kind !== 'member') throw wrongUse('only a member’s session is resumed');
  if (notAfterMs < context.nowMs) {
    const limit = new Date(notAfterMs).toISOString();
    throw new TrustError(`the certificate of the session to resume expired at ${limit}`, {
      code: 'expired',
      fields: { name: dnsNameOf(identity), limit },
    });
  }
  return known(leaf, context, false);
}

function stranger(certificate: X509Certificate): Caller {
  const publicKey = spkiOf(certificate);
  return { kind: 'stranger', identityKey: identityKeyOf(publicKey), publicKey };
}

/**
 * TLS reports one failure of several, so the whole path is validated again, as of the certificate's
 * last moment. @throws TrustError when anything but the time is wrong
 */
async function knownButExpired(
  certificate: X509Certificate,
  context: CallerContext,
): Promise<Caller> {
  const leaf = identityOfLeaf(certificate);
  const expired = leaf.notAfterMs < context.nowMs;
  await verifyChain({
    chain: chainOf(certificate),
    root: context.rootCertificate,
    nowMs: expired ? leaf.notAfterMs : context.nowMs,
    expected: leaf.identity,
  });
  if (!expired) {
    throw new TrustError('TLS does not accept the certificate', { code: 'untrusted', fields: {} });
  }
  return known(leaf, context, true);
}

/** Without the root, which a self-signed last certificate is. */
function chainOf(certificate: X509Certificate): string[] {
  const chain: string[] = [];
  let next: X509Certificate | undefined = certificate;
  while (next && next.subject !== next.issuer && chain.length < 3) {
    chain.push(next.toString());
    next = next.issuerCertificate;
  }
  return chain;
}

function spkiOf(certificate: X509Certificate): Buffer {
  return certificate.publicKey.export({ type: 'spki', format: 'der' });
}
