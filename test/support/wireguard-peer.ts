import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type {
  PresharedKey,
  WireguardPrivateKey,
  WireguardPublicKey,
} from '../../src/model/wireguard-key.ts';

export interface WireguardKeys {
  readonly publicKey: WireguardPublicKey;
  readonly privateKey: WireguardPrivateKey;
}

/** A new pair, as `wg genkey` and `wg pubkey` would give. */
export function generateKeys(): WireguardKeys {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const { x } = publicKey.export({ format: 'jwk' });
  const { d } = privateKey.export({ format: 'jwk' });
  return {
    publicKey: base64(x) as WireguardPublicKey,
    privateKey: base64(d) as WireguardPrivateKey,
  };
}

export function generatePresharedKey(): PresharedKey {
  return randomBytes(32).toString('base64') as PresharedKey;
}

function base64(base64url: string | undefined): string {
  return Buffer.from(base64url ?? '', 'base64url').toString('base64');
}
