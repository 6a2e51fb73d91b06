import { bindsAll } from '../../core/address-binding.ts';
import type { MasterName, SubsetName, VpnName } from '../../model/names.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import type { SubsetRecord } from '../../model/records/directory.ts';
import { authorityRecordSchema, type MemberRecord } from '../../model/records/roll.ts';
import type { Entry } from '../../store/store.ts';
import { blocksOfAuthority } from '../../trust/authority-certificate.ts';
import { createIssuer, type Issuer, issueLeaf } from '../../trust/certificate-authority.ts';
import type { SubsetBlocks } from '../../trust/member-addresses.ts';
import { openSealed, type SealingKey } from '../../trust/sealing.ts';
import { MasterError } from '../master-error.ts';

/** The intermediates of one subset: the one with which this master issues, and all that may have signed invites. */
export interface SubsetAuthorities {
  readonly issuer: Issuer;
  /** PEM, by master. */
  readonly certificates: ReadonlyMap<MasterName, string>;
  /** What each of them binds that binds any, by master; one that serves the subset no more may be among them. */
  readonly blocks: ReadonlyMap<MasterName, SubsetBlocks>;
}

export interface OpenAuthoritiesOptions {
  readonly subset: SubsetName;
  readonly master: MasterName;
  readonly sealingKey: SealingKey;
}

/** @throws MasterError `no-authority` when there is none for this master; TrustError when its seal does not open */
export function openAuthorities(
  entries: readonly Entry[],
  options: OpenAuthoritiesOptions,
): SubsetAuthorities {
  const records = entries.map((entry) => ({
    key: entry.key,
    record: decodeRecord(authorityRecordSchema, entry.key, entry.value),
  }));
  const own = records.find(({ record }) => record.master === options.master);
  if (!own) {
    const { subset, master } = options;
    throw new MasterError(
      `${master} has no authority to issue for ${subset}: "hanse subset create" makes one for each of its masters`,
      {
        code: 'no-authority',
        fields: { subset, master },
      },
    );
  }
  const issuer = createIssuer({
    certificatePem: own.record.certificate,
    privateKeyPem: openSealed(options.sealingKey, own.record.sealedKey, own.key),
  });
  return {
    issuer,
    certificates: new Map(records.map(({ record }) => [record.master, record.certificate])),
    blocks: new Map(
      records.flatMap(({ record: { master, certificate } }) => {
        const blocks = blocksOfAuthority(certificate);
        return blocks ? [[master, blocks] as const] : [];
      }),
    ),
  };
}

/**
 * The masters of a subset whose members could not prove all of its addresses, because their authority
 * does not bind all of its blocks, or is missing.
 * @param entries all authorities of the roll, as the store has them
 * @param own the authority that this master issues with, which may be older than the store's
 */
export function unboundMasters(
  subset: SubsetRecord,
  entries: readonly Entry[],
  own: Issuer,
): readonly MasterName[] {
  const bound = new Map(
    entries.map(({ key, value }) => {
      const { master, certificate } = decodeRecord(authorityRecordSchema, key, value);
      return [master, blocksOfAuthority(certificate)];
    }),
  );
  if (own.scope.kind === 'subset') bound.set(own.scope.master, own.scope.blocks);
  return [subset.acting, ...subset.backups].filter(
    (master) => !bindsAll(bound.get(master), subset),
  );
}

/**
 * A certificate for a member of the roll, up to the end that its record allows.
 * @param publicKey SubjectPublicKeyInfo, DER, as the TLS handshake proved it
 * @returns the chain: the leaf and the subset's intermediate, PEM
 */
export async function issueMemberChain(
  { issuer }: SubsetAuthorities,
  subject: {
    readonly vpn: VpnName;
    readonly member: MemberRecord;
    readonly publicKey: Buffer;
    readonly nowMs: number;
  },
): Promise<readonly string[]> {
  const { vpn, member, publicKey, nowMs } = subject;
  const leaf = await issueLeaf({
    identity: { kind: 'member', vpn, subset: member.subset, name: member.name },
    subjectPublicKey: publicKey,
    wireguardKeys: member.keys,
    addresses: { ipv4: member.ipv4, ipv6: member.ipv6 },
    issuer,
    period: { fromMs: nowMs, untilMs: Math.min(member.certificateEndsAtMs, issuer.notAfterMs) },
  });
  return [leaf, issuer.certificatePem];
}
