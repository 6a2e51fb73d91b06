import { mkdir } from 'node:fs/promises';
import { createOperatorClient, type OperatorClient } from '../../src/api/client/operator-client.ts';
import {
  type OperatorProfile,
  readOperatorProfile,
} from '../../src/api/client/operator-profile.ts';
import { createInvite } from '../../src/api/invite-endpoints.ts';
import { endpointSchema } from '../../src/model/endpoint.ts';
import {
  type MasterName,
  parseMasterName,
  parseOperatorName,
  parseSubsetName,
  parseVpnName,
  type SubsetName,
} from '../../src/model/names.ts';
import { parsePrefix } from '../../src/model/prefix.ts';
import { createMaster } from '../../src/provision/create-master.ts';
import { createSubset } from '../../src/provision/create-subset.ts';
import { createVpn, type ProvisionDependencies } from '../../src/provision/create-vpn.ts';
import { dataDirectory } from '../../src/provision/data-directory.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { createMasterNetwork, masterPlace } from './master-network.ts';
import { MasterProcess } from './master-process.ts';

export interface SubsetPlan {
  readonly name: string;
  readonly acting: string;
  readonly backups?: readonly string[];
}

export interface VpnBedOptions {
  /** Made here. */
  readonly directory: string;
  readonly masters: readonly string[];
  readonly subsets: readonly SubsetPlan[];
  /** Two VPNs of one network need different ones; 0 unless said. */
  readonly number?: number;
  /** As `openStore` takes it; a file in the directory unless said. */
  readonly storeUrl?: string;
  /** Of every subset; unless said 18, room for 16,000 members, so that none grows while it is measured. */
  readonly ipv4BlockLength?: number;
}

const hourMs = 3_600_000;
/** Nobody returns home while it is measured. */
const settleMs = hourMs;
const serveTimeoutMs = 60_000;

/** A VPN in a sandbox: made by the provisioning that `hanse vpn create` uses, run by real masters. */
export class VpnBed {
  readonly directory: string;
  readonly storeUrl: string;
  readonly profile: OperatorProfile;
  readonly operator: OperatorClient;

  readonly #options: VpnBedOptions;

  private constructor(options: VpnBedOptions, storeUrl: string, profile: OperatorProfile) {
    const { directory } = options;
    this.#options = options;
    this.directory = directory;
    this.storeUrl = storeUrl;
    this.profile = profile;
    this.operator = createOperatorClient({ profile });
  }

  static async create(options: VpnBedOptions): Promise<VpnBed> {
    const directory = dataDirectory(options.directory);
    await mkdir(directory.path, { mode: 0o700 });
    const storeUrl = options.storeUrl ?? `sqlite:${directory.storeFile}`;
    const operator = parseOperatorName('admin');
    const { number = 0, ipv4BlockLength = 18 } = options;
    await makeDirectoryOf(storeUrl, async (store) => {
      const dependencies = { directory, store, storeUrl, nowMs: Date.now() };
      await createVpn(
        {
          name: parseVpnName(`bench-${number}`),
          ipv4: parsePrefix(`${10 + number}.0.0.0/8`),
          ipv4BlockLength,
          keying: 'per-subset',
          lifetimes: {
            certificateMs: 6 * hourMs,
            keyRotationMs: 24 * hourMs,
            absenceMs: 24 * hourMs,
            settleMs,
          },
          operator,
        },
        dependencies,
      );
      await createMasters(options, dependencies);
      await createSubsets(options.subsets, dependencies);
    });
    const profile = await readOperatorProfile(directory.operator(operator));
    return new VpnBed(options, storeUrl, profile);
  }

  /** Starts a master and waits until it serves with all subsets that it is to act for. */
  async startMaster(name: string, actingFor: readonly string[]): Promise<MasterProcess> {
    const master = this.spawnMaster(name);
    await master.serving(
      ({ subsets }) =>
        actingFor.every((subset) =>
          subsets.some((entry) => entry.name === subset && entry.role === 'acting'),
        ),
      serveTimeoutMs,
    );
    return master;
  }

  spawnMaster(name: string): MasterProcess {
    const { directory, profile } = this;
    const { masters, number = 0 } = this.#options;
    const { namespace } = masterPlace(number, masters.indexOf(name));
    return MasterProcess.spawn({ name: parseMasterName(name), directory, profile, namespace });
  }

  async createInvite(subset: string, uses: number): Promise<string> {
    const params = { subset: parseSubsetName(subset) };
    const { token } = await this.operator.call(createInvite, {
      params,
      body: { uses, lifetimeMs: hourMs },
    });
    return token;
  }

  /** For what is written beside the masters. The masters' own handles stay as they are. */
  openStore(): Promise<Store> {
    return openStore(this.storeUrl);
  }
}

async function makeDirectoryOf(url: string, task: (store: Store) => Promise<void>): Promise<void> {
  await using store = await openStore(url);
  await task(store);
}

async function createMasters(
  { masters, number = 0 }: VpnBedOptions,
  dependencies: ProvisionDependencies,
): Promise<void> {
  for (const [index, name] of masters.entries()) {
    const place = masterPlace(number, index);
    await createMasterNetwork(place);
    await createMaster(
      {
        name: parseMasterName(name),
        control: endpointSchema.parse(`${place.address}:8443`),
        wireguard: { host: place.address, membersPort: 51_820, backboneBasePort: 51_900 },
        rootKeyPath: dependencies.directory.rootKey,
      },
      dependencies,
    );
  }
}

async function createSubsets(
  plans: readonly SubsetPlan[],
  dependencies: ProvisionDependencies,
): Promise<void> {
  for (const plan of plans) {
    const name: SubsetName = parseSubsetName(plan.name);
    const acting: MasterName = parseMasterName(plan.acting);
    const backups = (plan.backups ?? []).map(parseMasterName);
    await createSubset(
      { name, acting, backups, rootKeyPath: dependencies.directory.rootKey },
      dependencies,
    );
  }
}
