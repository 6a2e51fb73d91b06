import { InvalidInputError } from '../../model/error.ts';
import { parseOperatorName, parseVpnName } from '../../model/names.ts';
import { parsePrefix } from '../../model/prefix.ts';
import {
  keyingModeSchema,
  type Lifetimes,
  lifetimesSchema,
} from '../../model/records/directory.ts';
import { createVpn, type VpnOptions } from '../../provision/create-vpn.ts';
import { askAddressProofs, describeAddressProofs } from '../address-proofs.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, StoreOptions } from '../common-options.ts';
import { type DirectorySourceOptions, readDirectory } from '../directory-source.ts';
import { formatDuration, formatTime } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { keyingMeaning } from '../output/keying-report.ts';
import { formatFields } from '../output/table.ts';
import { refuseOverlap } from '../overlap-check.ts';
import { directoryOf, withProvisioning } from '../provisioning.ts';

/** As commander passes them; lengths of time are milliseconds. */
export interface VpnCreateOptions extends StoreOptions {
  readonly ipv4: string;
  readonly ipv6: string;
  readonly ipv4BlockLength: number;
  readonly keying: string;
  readonly certificateLifetime: number;
  readonly keyRotation: number;
  readonly absence: number;
  readonly settle: number;
  readonly operator: string;
  readonly force?: boolean;
}

export async function createVpnAction(
  name: string,
  options: VpnCreateOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  const vpnOptions: VpnOptions = {
    name: parseVpnName(name),
    ipv4: parsePrefix(options.ipv4),
    ...(options.ipv6 === 'auto' ? {} : { ipv6: parsePrefix(options.ipv6) }),
    ipv4BlockLength: options.ipv4BlockLength,
    keying: keyingModeSchema.parse(options.keying),
    lifetimes: parseLifetimes(options),
    operator: parseOperatorName(options.operator),
  };
  if (!options.force) {
    const { ipv4, ipv6 } = vpnOptions;
    await refuseOverlap(ipv6 === undefined ? [ipv4] : [ipv4, ipv6], terminal.err);
  }
  const vpn = await withProvisioning(options, 'new', (dependencies) =>
    createVpn(vpnOptions, dependencies),
  );
  const directory = directoryOf(options);
  terminal.out.write(
    formatFields([
      ['vpn', vpn.name],
      ['id', vpn.id],
      ['prefixes', `${vpn.ipv4}, ${vpn.ipv6}`],
      ['root key', directory.rootKey],
      ['operator', directory.operator(vpnOptions.operator)],
    ]),
  );
  terminal.err.write(
    'Keep the root key safe: who has it can make masters and operators. It may be moved offline.\n' +
      'Next: hanse master create NAME --control HOST:PORT --wireguard-host HOST\n',
  );
}

export async function showVpn(
  options: DirectorySourceOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const directory = await readDirectory(options, signal);
  const proofs =
    directory.masters.length === 0 ? undefined : await askAddressProofs(options, signal);
  if (options.json) {
    writeJson(terminal.out, { ...directory, ...(proofs ? { addressProofs: proofs } : {}) });
    return;
  }
  const { vpn, masters, subsets } = directory;
  terminal.out.write(
    formatFields([
      ['vpn', vpn.name],
      ['id', vpn.id],
      ['prefixes', vpn.prefixes.join(', ')],
      ['keying', `${vpn.keying}: ${keyingMeaning[vpn.keying]}`],
      ['address proofs', proofs && describeAddressProofs(proofs)],
      ['member certificates', formatDuration(vpn.lifetimes.certificateMs)],
      ['key rotation', formatDuration(vpn.lifetimes.keyRotationMs)],
      ['absence', formatDuration(vpn.lifetimes.absenceMs)],
      ['settle', formatDuration(vpn.lifetimes.settleMs)],
      ['created', formatTime(vpn.createdAtMs)],
      ['masters', masters.map(({ name }) => name).join(', ') || 'none yet'],
      ['subsets', subsets.map(({ name }) => name).join(', ') || 'none yet'],
    ]),
  );
}

const lifetimeOptions: Readonly<Record<string, string>> = {
  certificateMs: '--certificate-lifetime',
  keyRotationMs: '--key-rotation',
  absenceMs: '--absence',
  settleMs: '--settle',
};

function parseLifetimes(options: VpnCreateOptions): Lifetimes {
  const result = lifetimesSchema.safeParse({
    certificateMs: options.certificateLifetime,
    keyRotationMs: options.keyRotation,
    absenceMs: options.absence,
    settleMs: options.settle,
  });
  if (result.success) return result.data;
  const field = String(result.error.issues[0]?.path[0]);
  const least = field === 'absenceMs' || field === 'settleMs' ? '1s' : '10s';
  throw new InvalidInputError(`${lifetimeOptions[field]} is too short: give at least ${least}`);
}
