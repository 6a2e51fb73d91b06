import { readFile } from 'node:fs/promises';
import { openAuthorities } from '../../src/master/subset/authorities.ts';
import { parseMasterName, parseSubsetName } from '../../src/model/names.ts';
import { authorityPrefix } from '../../src/store/keys.ts';
import { createIssuer, type Issuer } from '../../src/trust/certificate-authority.ts';
import type { MasterBed } from './master-bed.ts';

/** The authority with which a master issues for a subset, as whoever broke into the master has it. */
export async function stolenAuthority(
  bed: MasterBed,
  subsetName: string,
  masterName: string,
): Promise<Issuer> {
  const [subset, master] = [parseSubsetName(subsetName), parseMasterName(masterName)];
  const { entries } = await bed.store.range(authorityPrefix(subset));
  return openAuthorities(entries, { subset, master, sealingKey: bed.sealingKey }).issuer;
}

/** The VPN's root, as its operator has it. */
export async function rootOf({ directory }: MasterBed): Promise<Issuer> {
  const [certificatePem, privateKeyPem] = await Promise.all([
    readFile(directory.rootCertificate, 'utf8'),
    readFile(directory.rootKey, 'utf8'),
  ]);
  return createIssuer({ certificatePem, privateKeyPem });
}
