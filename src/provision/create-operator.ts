import {
  isOperatorProfile,
  type KnownMaster,
  writeOperatorProfile,
} from '../api/client/operator-profile.ts';
import type { OperatorName, VpnName } from '../model/names.ts';
import type { OperatorRecord } from '../model/records/directory.ts';
import type { Issuer } from '../trust/certificate-authority.ts';
import { identityKeyOf } from '../trust/leaf-certificate.ts';
import { operatorPeriod } from './certificate-lifetimes.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import { readDirectoryRecords } from './directory-records.ts';
import { issueOperatorCertificate } from './operator-certificate.ts';
import { putOperatorRecord, readOperatorRecord } from './operator-record.ts';
import { ProvisionError } from './provision-error.ts';
import { openRoot } from './root-key.ts';
import { createTlsKey } from './tls-key.ts';

/**
 * Makes an operator's profile, a directory that can be copied to another machine.
 * @param rootKeyPath where the VPN's root key is
 * @returns the directory
 * @throws ProvisionError `exists`, `no-vpn`, `no-root-key`, `wrong-root-key`, `conflict`
 */
export async function createOperator(
  name: OperatorName,
  rootKeyPath: string,
  dependencies: ProvisionDependencies,
): Promise<string> {
  const { directory, store, storeUrl } = dependencies;
  const path = directory.operator(name);
  const { vpn, masters } = await readDirectoryRecords(store, storeUrl);
  const before = await readOperatorRecord(name, store);
  if (before && !before.record.revoked) {
    throw new ProvisionError(
      `operator ${name} exists: \`hanse operator renew\` gives it a new certificate; for new credentials, another operator revokes the old ones first with \`hanse operator revoke ${name}\``,
      { code: 'exists', fields: { name } },
    );
  }
  if (before === undefined && (await isOperatorProfile(path))) {
    throw new ProvisionError(
      `operator ${name} exists: its profile is ${path}. \`hanse operator renew\` gives it a new certificate; to make new credentials, remove it first`,
      { code: 'exists', fields: { name } },
    );
  }
  const root = await openRoot(vpn, rootKeyPath);
  const known = masters.map((master) => ({ name: master.name, control: master.control }));
  const record = await writeOperator({ name, vpn: vpn.name, root, masters: known }, dependencies);
  await putOperatorRecord(record, before?.revision ?? 0, store);
  return path;
}

/** Whose credentials to write, and by which root they are issued. */
export interface OperatorGrant {
  readonly name: OperatorName;
  readonly vpn: VpnName;
  readonly root: Issuer;
  readonly masters: readonly KnownMaster[];
}

/**
 * Writes new credentials over whatever profile of that name there is.
 * @returns what the directory has to have for masters to take them and no others
 */
export async function writeOperator(
  { name, vpn, root, masters }: OperatorGrant,
  { directory, nowMs }: Pick<ProvisionDependencies, 'directory' | 'nowMs'>,
): Promise<OperatorRecord> {
  const key = createTlsKey();
  const certificateChain = await issueOperatorCertificate(key.spki, { vpn, name, root, nowMs });
  await writeOperatorProfile(directory.operator(name), {
    vpn,
    operator: name,
    masters: [...masters],
    rootCertificate: root.certificatePem,
    certificateChain,
    privateKey: key.privateKeyPem,
  });
  return {
    version: 1,
    name,
    identityKey: identityKeyOf(key.spki),
    createdAtMs: nowMs,
    certificateEndsAtMs: operatorPeriod(nowMs).untilMs,
  };
}
