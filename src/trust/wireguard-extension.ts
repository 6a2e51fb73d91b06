import { InvalidInputError } from '../model/error.ts';
import { type WireguardPublicKey, wireguardPublicKeySchema } from '../model/wireguard-key.ts';
import { derTag, encodeDer, readDerContent, readDerElements } from './der.ts';
import { malformed } from './trust-error.ts';

/*
 * The private, non-critical certificate extension that binds WireGuard keys to an identity:
 *
 *   WireguardKeys ::= SEQUENCE SIZE (1..8) OF SEQUENCE {
 *     pathClass  UTF8String,                -- in strictly ascending order
 *     publicKey  OCTET STRING (SIZE (32)) }
 */

/** WireGuard public keys by path class (DESIGN §6): `acting`; `members`, `backbone` of a master. */
export type WireguardKeys = Readonly<Record<string, WireguardPublicKey>>;

const pathClass = /^[a-z]{1,16}$/;
/** A certificate stays under two kilobytes. */
const maxClasses = 8;
const what = 'the WireGuard extension';

/** @throws InvalidInputError for no or too many classes, or a class or a key that is none */
export function encodeWireguardKeys(keys: WireguardKeys): Uint8Array {
  const entries = Object.entries(keys).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0 || entries.length > maxClasses) {
    throw new InvalidInputError(`a certificate binds 1 to ${maxClasses} keys`, {
      keys: entries.length,
    });
  }
  return encodeDer(derTag.sequence, ...entries.map(([name, key]) => encodeEntry(name, key)));
}

/** @throws TrustError `malformed` for anything that `encodeWireguardKeys` does not write */
export function decodeWireguardKeys(der: Uint8Array): WireguardKeys {
  const elements = readDerElements(readDerContent(der, derTag.sequence, what), what);
  if (elements.length === 0 || elements.length > maxClasses) {
    throw malformed(what, `it must hold 1 to ${maxClasses} keys`);
  }
  const entries = elements.map((element) => {
    if (element.tag !== derTag.sequence) throw malformed(what, 'unexpected structure');
    return decodeEntry(element.content);
  });
  const sorted = entries.every(
    ([name], index) => index === 0 || name > (entries[index - 1]?.[0] ?? ''),
  );
  if (!sorted) throw malformed(what, 'its path classes are not in ascending order');
  return Object.fromEntries(entries);
}

function encodeEntry(name: string, key: string): Uint8Array {
  if (!pathClass.test(name)) {
    throw new InvalidInputError(`"${name.slice(0, 32)}" is not a path class: use 1 to 16 letters`);
  }
  const parsed = wireguardPublicKeySchema.safeParse(key);
  if (!parsed.success) {
    throw new InvalidInputError(`the key of path class ${name} is not a WireGuard key`);
  }
  return encodeDer(
    derTag.sequence,
    encodeDer(derTag.utf8String, Buffer.from(name, 'latin1')),
    encodeDer(derTag.octetString, Buffer.from(parsed.data, 'base64')),
  );
}

function decodeEntry(content: Uint8Array): [string, WireguardPublicKey] {
  const [name, key, ...rest] = readDerElements(content, what);
  if (name?.tag !== derTag.utf8String || key?.tag !== derTag.octetString || rest.length > 0) {
    throw malformed(what, 'unexpected structure');
  }
  const text = Buffer.from(name.content).toString('latin1');
  if (!pathClass.test(text)) throw malformed(what, 'a path class is not 1 to 16 letters');
  if (key.content.length !== 32) throw malformed(what, 'a key is not 32 bytes long');
  return [text, Buffer.from(key.content).toString('base64') as WireguardPublicKey];
}
