import { z } from 'zod';
import { InvalidInputError } from './error.ts';

/** Names are DNS labels, because certificates carry them as DNS names (RFC 1123 §2.1). */
const label = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
const labelRule = 'use 1 to 32 lower-case letters, digits and inner hyphens';

/** The suffix of every name; `.internal` is reserved for private use (ICANN resolution 2024-07-29). */
const domain = 'hanse.internal';

/** The parent labels of masters and operators; no subset may have these names. */
export const reservedSubsetNames = ['masters', 'operators'] as const;

const labelSchema = z.string().regex(label, labelRule);

export const vpnNameSchema = labelSchema.brand<'VpnName'>();
export const masterNameSchema = labelSchema.brand<'MasterName'>();
export const operatorNameSchema = labelSchema.brand<'OperatorName'>();
export const memberNameSchema = labelSchema.brand<'MemberName'>();
export const subsetNameSchema = labelSchema
  .refine((name) => !(reservedSubsetNames as readonly string[]).includes(name), {
    message: `the names ${reservedSubsetNames.join(' and ')} are reserved`,
  })
  .brand<'SubsetName'>();

export const regionNameSchema = labelSchema.brand<'RegionName'>();

/** Chosen once per VPN; never changed. */
export type VpnName = z.infer<typeof vpnNameSchema>;
/** Unique in its VPN; never given to another master. */
export type MasterName = z.infer<typeof masterNameSchema>;
export type OperatorName = z.infer<typeof operatorNameSchema>;
/** Unique in its subset; given again only when nobody can still trust the earlier bearer. */
export type MemberName = z.infer<typeof memberNameSchema>;
/** Where the rolls of some subsets are kept; unique in its VPN. */
export type RegionName = z.infer<typeof regionNameSchema>;
/** Unique in its VPN; never given to another subset. */
export type SubsetName = z.infer<typeof subsetNameSchema>;

export const parseVpnName = (text: string): VpnName => parseName(vpnNameSchema, 'VPN', text);
export const parseMasterName = (text: string): MasterName =>
  parseName(masterNameSchema, 'master', text);
export const parseOperatorName = (text: string): OperatorName =>
  parseName(operatorNameSchema, 'operator', text);
export const parseMemberName = (text: string): MemberName =>
  parseName(memberNameSchema, 'member', text);
export const parseRegionName = (text: string): RegionName =>
  parseName(regionNameSchema, 'region', text);
export const parseSubsetName = (text: string): SubsetName =>
  parseName(subsetNameSchema, 'subset', text);

function parseName<S extends z.ZodType>(schema: S, kind: string, text: string): z.infer<S> {
  const result = schema.safeParse(text);
  if (result.success) return result.data;
  const reason = result.error.issues[0]?.message ?? labelRule;
  throw new InvalidInputError(`"${text.slice(0, 64)}" is not a ${kind} name: ${reason}`);
}

/** Who a certificate speaks for. */
export type Identity =
  | {
      readonly kind: 'member';
      readonly vpn: VpnName;
      readonly subset: SubsetName;
      readonly name: MemberName;
    }
  | { readonly kind: 'master'; readonly vpn: VpnName; readonly name: MasterName }
  | { readonly kind: 'operator'; readonly vpn: VpnName; readonly name: OperatorName };

/** The one DNS name that the identity's certificate carries. */
export function dnsNameOf(identity: Identity): string {
  const parent = identity.kind === 'member' ? identity.subset : `${identity.kind}s`;
  return `${identity.name}.${parent}.${identity.vpn}.${domain}`;
}

/** The DNS subtree that a subset's intermediate certificate is constrained to (RFC 5280 §4.2.1.10). */
export function subsetDnsSuffix(vpn: VpnName, subset: SubsetName): string {
  return `${subset}.${vpn}.${domain}`;
}

/** Reads the identity out of a certificate's DNS name; undefined when it is nobody's in this scheme. */
export function parseDnsName(text: string): Identity | undefined {
  const [first, parent, vpnLabel, ...rest] = text.split('.');
  if (rest.join('.') !== domain) return undefined;
  const vpn = vpnNameSchema.safeParse(vpnLabel);
  if (!vpn.success) return undefined;
  if (parent === 'masters') return named('master', masterNameSchema, vpn.data, first);
  if (parent === 'operators') return named('operator', operatorNameSchema, vpn.data, first);
  const subset = subsetNameSchema.safeParse(parent);
  const name = memberNameSchema.safeParse(first);
  if (!subset.success || !name.success) return undefined;
  return { kind: 'member', vpn: vpn.data, subset: subset.data, name: name.data };
}

function named<Kind extends 'master' | 'operator', S extends z.ZodType>(
  kind: Kind,
  schema: S,
  vpn: VpnName,
  text: string | undefined,
): { kind: Kind; vpn: VpnName; name: z.infer<S> } | undefined {
  const name = schema.safeParse(text);
  return name.success ? { kind, vpn, name: name.data } : undefined;
}
