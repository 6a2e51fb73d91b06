import { readOperatorProfile, writeOperatorProfile } from '../api/client/operator-profile.ts';
import { InvalidInputError } from '../model/error.ts';
import type { OperatorName } from '../model/names.ts';
import { identityKeyOf } from '../trust/leaf-certificate.ts';
import { operatorPeriod } from './certificate-lifetimes.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import { readDirectoryRecords } from './directory-records.ts';
import { issueOperatorCertificate } from './operator-certificate.ts';
import { putOperatorRecord, readOperatorRecord } from './operator-record.ts';
import { ProvisionError } from './provision-error.ts';
import { openRoot } from './root-key.ts';
import { parseTlsKey } from './tls-key.ts';

/**
 * Gives an operator a new certificate for the key in its profile; everything else in it stays.
 * @param rootKeyPath where the VPN's root key is
 * @returns the profile's directory
 * @throws ProvisionError `no-vpn`, `no-root-key`, `wrong-root-key`, `revoked`, `conflict`
 * @throws InvalidInputError when there is no profile of that name here, or it is damaged or another VPN's
 */
export async function renewOperator(
  name: OperatorName,
  rootKeyPath: string,
  { directory, store, storeUrl, nowMs }: ProvisionDependencies,
): Promise<string> {
  const path = directory.operator(name);
  const { vpn } = await readDirectoryRecords(store, storeUrl);
  const profile = await readOperatorProfile(path);
  if (profile.operator !== name || profile.rootCertificate !== vpn.rootCertificate) {
    throw new InvalidInputError(`${path} is not the profile of ${name} in this VPN`, { path });
  }
  const { spki } = parseTlsKey(path, profile.privateKey);
  const before = await readOperatorRecord(name, store);
  const identityKey = identityKeyOf(spki);
  if (before && (before.record.revoked || before.record.identityKey !== identityKey)) {
    throw new ProvisionError(
      `the key in ${path} is revoked: make new credentials with \`hanse operator create ${name}\``,
      { code: 'revoked', fields: { name } },
    );
  }
  const root = await openRoot(vpn, rootKeyPath);
  const grant = { vpn: vpn.name, name, root, nowMs };
  const certificateChain = await issueOperatorCertificate(spki, grant);
  const record = before?.record ?? { version: 1, name, identityKey, createdAtMs: nowMs };
  const certificateEndsAtMs = operatorPeriod(nowMs).untilMs;
  await putOperatorRecord({ ...record, certificateEndsAtMs }, before?.revision ?? 0, store);
  await writeOperatorProfile(path, { ...profile, certificateChain });
  return path;
}
