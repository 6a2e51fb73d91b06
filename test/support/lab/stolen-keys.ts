import { readFile } from 'node:fs/promises';
import type { LabVpn } from '../../../lab/vpn/lab-vpn.ts';
import { openAuthorities } from '../../../src/master/subset/authorities.ts';
import { parseMasterName, parseSubsetName } from '../../../src/model/names.ts';
import { dataDirectory } from '../../../src/provision/data-directory.ts';
import { readSealingKey } from '../../../src/provision/sealing-key-file.ts';
import { authorityPrefix } from '../../../src/store/keys.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { createIssuer, type Issuer } from '../../../src/trust/certificate-authority.ts';

/** What a thief of one master's machine has: the authority with which it admits members to its subset. */
export async function stealAuthority(
  vpn: LabVpn,
  of: { readonly subset: string; readonly master: string },
): Promise<Issuer> {
  const directory = dataDirectory(vpn.directory);
  const sealingKey = await readSealingKey(directory.sealingKey);
  await using store = await openStore(`sqlite:${directory.storeFile}`);
  const subset = parseSubsetName(of.subset);
  const { entries } = await store.range(authorityPrefix(subset));
  const master = parseMasterName(of.master);
  return openAuthorities(entries, { subset, master, sealingKey }).issuer;
}

/** The VPN's own root: for certificates that only the operator could have made. */
export async function readRoot(vpn: LabVpn): Promise<Issuer> {
  const { rootCertificate, rootKey } = dataDirectory(vpn.directory);
  const [certificatePem, privateKeyPem] = await Promise.all(
    [rootCertificate, rootKey].map((path) => readFile(path, 'utf8')),
  );
  return createIssuer({ certificatePem: certificatePem ?? '', privateKeyPem: privateKeyPem ?? '' });
}
