import type { Endpoint } from '../../src/model/endpoint.ts';
import { parseMasterName, parseOperatorName, parseVpnName } from '../../src/model/names.ts';
import { parsePrefix } from '../../src/model/prefix.ts';
import type { MasterOptions } from '../../src/provision/create-master.ts';
import {
  createVpn,
  type ProvisionDependencies,
  type VpnOptions,
} from '../../src/provision/create-vpn.ts';
import { dataDirectory } from '../../src/provision/data-directory.ts';
import { openStore } from '../../src/store/open-store.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const nowMs = Date.now();
/** Of the VPN that `worldWithVpn` makes. */
export const corp: VpnOptions = {
  name: parseVpnName('corp'),
  ipv4: parsePrefix('100.64.0.0/10'),
  ipv4BlockLength: 21,
  keying: 'per-subset',
  lifetimes: {
    certificateMs: 21_600_000,
    keyRotationMs: 86_400_000,
    absenceMs: 1_000_000,
    settleMs: 60_000,
  },
  operator: parseOperatorName('admin'),
};

/** A data directory and a store on the disk, without daemons. */
export interface World extends AsyncDisposable {
  readonly dependencies: ProvisionDependencies;
  readonly rootKeyPath: string;
}

export async function emptyWorld(): Promise<World> {
  const temporary = await temporaryDirectory();
  const directory = dataDirectory(temporary.path);
  const storeUrl = `sqlite:${directory.storeFile}`;
  const store = await openStore(storeUrl);
  return {
    dependencies: { directory, store, storeUrl, nowMs },
    rootKeyPath: directory.rootKey,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await temporary[Symbol.asyncDispose]();
    },
  };
}

export async function worldWithVpn(options: Partial<VpnOptions> = {}): Promise<World> {
  const world = await emptyWorld();
  await createVpn({ ...corp, ...options }, world.dependencies);
  return world;
}

/** A master with a host of its own. */
export function masterOptions(name: string, { rootKeyPath }: World, port = 8_443): MasterOptions {
  return {
    name: parseMasterName(name),
    control: `${name}.example:${port}` as Endpoint,
    wireguard: { host: `${name}.example`, membersPort: 51_820, backboneBasePort: 51_900 },
    rootKeyPath,
  };
}
