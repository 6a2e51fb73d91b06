import { InvalidInputError } from '../model/error.ts';
import { type WireguardPublicKey, wireguardPrivateKeySchema } from '../model/wireguard-key.ts';
import { readIfPresent } from '../runtime/durable-file.ts';
import { createWireguardKeyPair, publicKeyOf } from '../trust/wireguard-keys.ts';
import type { MasterFiles } from './data-directory.ts';
import { keepOrCreate } from './kept-file.ts';
import { keepOrCreateTlsKey, readTlsKey } from './tls-key.ts';

/** The public keys of a master, whose private ones are on the disk. */
export interface MasterKeys {
  /** SubjectPublicKeyInfo in DER. */
  readonly tls: Uint8Array;
  readonly wireguard: {
    readonly members: WireguardPublicKey;
    readonly backbone: WireguardPublicKey;
  };
}

/** The keys in the files; those that are missing are made. @throws InvalidInputError naming the file that holds none */
export async function keepOrCreateMasterKeys(files: MasterFiles): Promise<MasterKeys> {
  return {
    tls: (await keepOrCreateTlsKey(files.key)).spki,
    wireguard: {
      members: await keepOrCreateWireguardKey(files.membersKey),
      backbone: await keepOrCreateWireguardKey(files.backboneKey),
    },
  };
}

/** @throws InvalidInputError naming the file that is missing or holds no key */
export async function readMasterKeys(files: MasterFiles): Promise<MasterKeys> {
  return {
    tls: (await readTlsKey(files.key)).spki,
    wireguard: {
      members: await readWireguardKey(files.membersKey),
      backbone: await readWireguardKey(files.backboneKey),
    },
  };
}

async function keepOrCreateWireguardKey(path: string): Promise<WireguardPublicKey> {
  const text = await keepOrCreate(path, () => `${createWireguardKeyPair().privateKey}\n`);
  return parseWireguardKey(path, text);
}

async function readWireguardKey(path: string): Promise<WireguardPublicKey> {
  const text = await readIfPresent(path);
  if (text !== undefined) return parseWireguardKey(path, text);
  throw new InvalidInputError(`${path} is missing: run this where the master's keys are`, { path });
}

function parseWireguardKey(path: string, text: string): WireguardPublicKey {
  const key = wireguardPrivateKeySchema.safeParse(text.trim());
  if (key.success) return publicKeyOf(key.data);
  throw new InvalidInputError(`${path} is not a WireGuard key: remove it and try again`, { path });
}
