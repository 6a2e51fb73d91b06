import type { z } from 'zod';
import { describeError } from '../../model/error.ts';
import { parseMasterName } from '../../model/names.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import {
  groupKeyRecordSchema,
  masterRecordSchema,
  type SubsetRecord,
  subsetRecordSchema,
  type VpnRecord,
  vpnRecordSchema,
} from '../../model/records/directory.ts';
import {
  authorityRecordSchema,
  type MemberState,
  memberRecordSchema,
} from '../../model/records/roll.ts';
import {
  authorityKey,
  backboneKeyPrefix,
  masterKey,
  memberKey,
  subsetKey,
  vpnKey,
} from '../../store/keys.ts';
import { createIssuer } from '../../trust/certificate-authority.ts';
import { verifyChain, verifyIntermediate } from '../../trust/certificate-check.ts';
import { openSealed, parseSealingKey, type SealingKey } from '../../trust/sealing.ts';
import { type BackupContents, badBackup } from './backup-file.ts';
import {
  masterCertificateName,
  parseDataPath,
  rootCertificatePath,
  rootKeyPath,
  sealingKeyPath,
} from './data-files.ts';
import { checkRecord } from './stored-records.ts';

/** A subset in a backup. */
export interface BackupSubset {
  readonly name: string;
  /** How many members are in which state. */
  readonly members: Readonly<Partial<Record<MemberState, number>>>;
  /** Where its roll is, when that is another store, of which nothing is in the backup. */
  readonly region?: string;
}

/** What a backup was found to hold, all of it checked. */
export interface CheckedBackup {
  readonly vpn: VpnRecord;
  readonly sealingKey: SealingKey;
  readonly masters: readonly string[];
  readonly subsets: readonly BackupSubset[];
  /** Whose files are in it. */
  readonly masterFiles: readonly string[];
  readonly operators: readonly string[];
  readonly hasRootKey: boolean;
}

/**
 * Checks that a VPN can go on from a backup: every record has its form and its place, every seal
 * opens with the sealing key, and every certificate leads to the root, as of the backup's time.
 * @throws ProvisionError `bad-backup` that names the first record or file that does not hold
 */
export async function checkBackup(contents: BackupContents): Promise<CheckedBackup> {
  const check = new BackupCheck(contents);
  return await check.run();
}

class BackupCheck {
  readonly #contents: BackupContents;
  readonly #values: ReadonlyMap<string, Uint8Array>;
  readonly #files: ReadonlyMap<string, string>;

  constructor(contents: BackupContents) {
    this.#contents = contents;
    this.#values = new Map(contents.entries.map(({ key, value }) => [key, value]));
    this.#files = new Map(contents.files.map(({ path, text }) => [path, text]));
  }

  async run(): Promise<CheckedBackup> {
    for (const entry of this.#contents.entries) attempt(entry.key, () => checkRecord(entry));
    const vpn = this.#vpn();
    const sealingKey = attempt(sealingKeyPath, () =>
      parseSealingKey(this.#files.get(sealingKeyPath) ?? ''),
    );
    this.#checkRoot(vpn);
    this.#checkGroupKeys(sealingKey);
    await this.#checkMasters(vpn);
    await this.#checkAuthorities(vpn, sealingKey);
    return {
      vpn,
      sealingKey,
      masters: this.#named(/^directory\/master\/(.+)$/),
      subsets: this.#subsets(),
      masterFiles: await this.#checkMasterFiles(vpn),
      operators: this.#ownersOf('operator'),
      hasRootKey: this.#files.has(rootKeyPath),
    };
  }

  #vpn(): VpnRecord {
    const { header } = this.#contents;
    const vpn = this.#decode(vpnRecordSchema, vpnKey);
    if (vpn.name !== header.vpn.name || vpn.id !== header.vpn.id) {
      throw badBackup(`the backup says that it is of ${header.vpn.name}, and holds ${vpn.name}`);
    }
    return vpn;
  }

  #checkRoot({ rootCertificate: certificatePem }: VpnRecord): void {
    if (this.#files.get(rootCertificatePath)?.trim() !== certificatePem.trim()) {
      throw badBackup(`${rootCertificatePath} of the backup is not the root of its VPN`);
    }
    const privateKeyPem = this.#files.get(rootKeyPath);
    if (privateKeyPem === undefined) return;
    attempt(rootKeyPath, () => createIssuer({ certificatePem, privateKeyPem }));
  }

  #checkGroupKeys(sealingKey: SealingKey): void {
    const pattern = /^(directory\/backbone-key\/|roll\/[^/]+\/key\/)(\d{12})$/;
    for (const { key, value } of this.#contents.entries) {
      const [, , epoch] = pattern.exec(key) ?? [];
      if (epoch === undefined) continue;
      attempt(key, () => {
        const record = decodeRecord(groupKeyRecordSchema, key, value);
        requireEqual(record.epoch, Number(epoch), 'the epoch');
        openSealed(sealingKey, record.sealedKey, key);
      });
    }
    const hasBackboneKey = this.#contents.entries.some(({ key }) =>
      key.startsWith(backboneKeyPrefix),
    );
    if (!hasBackboneKey) throw badBackup('the backup has no backbone key');
  }

  async #checkMasters(vpn: VpnRecord): Promise<void> {
    for (const name of this.#named(/^directory\/master\/(.+)$/)) {
      const key = masterKey(parseMasterName(name));
      const { chain, ...record } = this.#decode(masterRecordSchema, key);
      await attemptAsync(key, async () => {
        requireEqual(record.name, name, 'the name');
        await this.#checkMasterChain(vpn, name, chain);
      });
    }
  }

  async #checkMasterChain(vpn: VpnRecord, name: string, chain: readonly string[]): Promise<void> {
    await verifyChain({
      chain,
      root: vpn.rootCertificate,
      nowMs: this.#contents.header.createdAtMs,
      expected: { kind: 'master', vpn: vpn.name, name: parseMasterName(name) },
    });
  }

  async #checkAuthorities(vpn: VpnRecord, sealingKey: SealingKey): Promise<void> {
    for (const { key, value } of this.#contents.entries) {
      const [, subset, master] = /^roll\/([^/]+)\/authority\/([^/]+)$/.exec(key) ?? [];
      if (subset === undefined) continue;
      await attemptAsync(key, async () => {
        const record = decodeRecord(authorityRecordSchema, key, value);
        const scope = await verifyIntermediate({
          certificate: record.certificate,
          root: vpn.rootCertificate,
          nowMs: this.#contents.header.createdAtMs,
        });
        requireEqual(`${scope.subset}/${scope.master}`, `${subset}/${master}`, 'the certificate');
        requireEqual(`${record.subset}/${record.master}`, `${subset}/${master}`, 'the record');
        const privateKeyPem = openSealed(sealingKey, record.sealedKey, key);
        createIssuer({ certificatePem: record.certificate, privateKeyPem });
      });
    }
  }

  async #checkMasterFiles(vpn: VpnRecord): Promise<readonly string[]> {
    const names = this.#ownersOf('master');
    for (const name of names) {
      const path = `masters/${name}/${masterCertificateName}`;
      const certificate = this.#files.get(path);
      if (certificate === undefined) throw badBackup(`${path} is not in the backup`);
      await attemptAsync(path, () => this.#checkMasterChain(vpn, name, [certificate]));
    }
    return names;
  }

  #subsets(): readonly BackupSubset[] {
    const members = this.#countMembers();
    const withKey = new Set(this.#named(/^roll\/([^/]+)\/key\//));
    const subsets = this.#named(/^directory\/subset\/(.+)$/).map((name) => {
      const key = `directory/subset/${name}`;
      const record = this.#decode(subsetRecordSchema, key);
      attempt(key, () => requireEqual(subsetKey(record.name), key, 'the name'));
      if (record.region !== undefined) return { name, members: {}, region: record.region };
      this.#requireRoll(record, withKey);
      return { name, members: members.get(name) ?? {} };
    });
    const known = new Set(subsets.map(({ name }) => name));
    for (const name of this.#named(/^roll\/([^/]+)\//)) {
      if (!known.has(name)) throw badBackup(`the roll of ${name} is of no subset`);
    }
    return subsets;
  }

  /** What a master needs to act for it. */
  #requireRoll({ name, acting }: SubsetRecord, withKey: ReadonlySet<string>): void {
    if (!withKey.has(name)) throw badBackup(`the backup has no key of ${name}`);
    if (!this.#values.has(authorityKey(name, acting))) {
      throw badBackup(`the backup has no authority of ${acting} for ${name}`);
    }
  }

  #countMembers(): ReadonlyMap<string, Partial<Record<MemberState, number>>> {
    const counts = new Map<string, Partial<Record<MemberState, number>>>();
    for (const { key, value } of this.#contents.entries) {
      const [, subset] = /^roll\/([^/]+)\/member\//.exec(key) ?? [];
      if (subset === undefined) continue;
      const member = decodeRecord(memberRecordSchema, key, value);
      attempt(key, () => requireEqual(memberKey(member.subset, member.name), key, 'the place'));
      const count = counts.get(subset) ?? {};
      counts.set(subset, { ...count, [member.state]: (count[member.state] ?? 0) + 1 });
    }
    return counts;
  }

  #ownersOf(kind: 'master' | 'operator'): readonly string[] {
    const owners = this.#contents.files.flatMap(({ path }) => {
      const parsed = parseDataPath(path);
      return parsed?.kind === kind ? [parsed.name] : [];
    });
    return [...new Set(owners)];
  }

  /** What the pattern's group finds in keys, each once. */
  #named(pattern: RegExp): readonly string[] {
    return [
      ...new Set(this.#contents.entries.flatMap(({ key }) => pattern.exec(key)?.slice(1, 2) ?? [])),
    ];
  }

  #decode<S extends z.ZodType>(schema: S, key: string): z.infer<S> {
    const value = this.#values.get(key);
    if (!value) throw badBackup(`the backup has no ${key}`);
    return attempt(key, () => decodeRecord(schema, key, value));
  }
}

function requireEqual(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw badBackup(`${what} is ${actual} where it should be ${expected}`);
}

/** Runs one check; a failure names where. */
function attempt<Result>(where: string, check: () => Result): Result {
  try {
    return check();
  } catch (cause) {
    throw badBackup(`the backup's ${where} does not hold: ${describeError(cause)}`, cause);
  }
}

async function attemptAsync(where: string, check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (cause) {
    throw badBackup(`the backup's ${where} does not hold: ${describeError(cause)}`, cause);
  }
}
