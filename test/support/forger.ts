import { readFile } from 'node:fs/promises';
import { openAuthorities } from '../../src/master/subset/authorities.ts';
import { parseMasterName, parseSubsetName } from '../../src/model/names.ts';
import { decodeRecord } from '../../src/model/records/codec.ts';
import { subsetRecordSchema } from '../../src/model/records/directory.ts';
import { authorityPrefix, subsetKey } from '../../src/store/keys.ts';
import {
  createIssuer,
  type Issuer,
  issueIntermediate,
} from '../../src/trust/certificate-authority.ts';
import { hourMs } from './certificate-bed.ts';
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

/** An authority that leads to the root, of a master that does not serve the subset: what a former backup keeps. */
export async function formerAuthority(
  bed: MasterBed,
  subsetName: string,
  masterName: string,
): Promise<Issuer> {
  const [subset, master] = [parseSubsetName(subsetName), parseMasterName(masterName)];
  const key = subsetKey(subset);
  const entry = await bed.store.get(key);
  const blocks = decodeRecord(subsetRecordSchema, key, entry?.value ?? Buffer.alloc(0));
  const period = { fromMs: Date.now(), untilMs: Date.now() + hourMs };
  const root = await rootOf(bed);
  return createIssuer(
    await issueIntermediate({ vpn: bed.vpn.name, subset, master, blocks, root, period }),
  );
}
