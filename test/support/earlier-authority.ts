import { X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate } from '@peculiar/asn1-x509';
import { clockSkewMs } from '../../src/model/clock-skew.ts';
import { parseSubsetName } from '../../src/model/names.ts';
import { decodeRecord, encodeRecord } from '../../src/model/records/codec.ts';
import { authorityRecordSchema } from '../../src/model/records/roll.ts';
import { authorityPrefix } from '../../src/store/keys.ts';
import type { Issuer } from '../../src/trust/certificate-authority.ts';
import { subsetBlocksOid } from '../../src/trust/certificate-profile.ts';
import { signCertificate } from '../../src/trust/signed-certificate.ts';
import { rootOf, stolenAuthority } from './forger.ts';
import type { MasterBed } from './master-bed.ts';

/** A subset's authority as a version would have issued it that bound no address blocks: for the same key. */
export async function earlierAuthority(issuer: Issuer, root: Issuer): Promise<Issuer> {
  const { raw, publicKey, validFromDate, validToDate } = new X509Certificate(issuer.certificatePem);
  const { extensions = [] } = AsnConvert.parse(raw, Certificate).tbsCertificate;
  const { blocks: _, ...scope } = { blocks: undefined, ...issuer.scope };
  const certificatePem = await signCertificate(
    {
      ...{ issuer: root.name, subject: issuer.name },
      spki: publicKey.export({ type: 'spki', format: 'der' }),
      period: { fromMs: validFromDate.getTime() + clockSkewMs, untilMs: validToDate.getTime() },
      extensions: extensions.filter(({ extnID }) => extnID !== subsetBlocksOid),
    },
    root.privateKey,
  );
  return { ...issuer, certificatePem, scope };
}

/** Puts authorities of an earlier version in the places of a subset's own, as a VPN has them that was made by one. */
export async function makeAuthoritiesEarlier(bed: MasterBed, subsetName: string): Promise<void> {
  const root = await rootOf(bed);
  const { entries } = await bed.store.range(authorityPrefix(parseSubsetName(subsetName)));
  for (const { key, value } of entries) {
    const record = decodeRecord(authorityRecordSchema, key, value);
    const issuer = await stolenAuthority(bed, subsetName, record.master);
    const { certificatePem: certificate } = await earlierAuthority(issuer, root);
    const put = { put: key, value: encodeRecord({ ...record, certificate }) };
    await bed.store.transact({ if: [], then: [put] });
  }
}
