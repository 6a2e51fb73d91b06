import { randomInt } from 'node:crypto';
import { createOperatorClient, type OperatorClient } from '../../src/api/client/operator-client.ts';
import { readOperatorProfile } from '../../src/api/client/operator-profile.ts';
import { type Endpoint, endpointSchema, hostOf } from '../../src/model/endpoint.ts';
import {
  parseMasterName,
  parseOperatorName,
  parseSubsetName,
  parseVpnName,
} from '../../src/model/names.ts';
import { parsePrefix } from '../../src/model/prefix.ts';
import type { KeyingMode, Lifetimes, VpnRecord } from '../../src/model/records/directory.ts';
import { createMaster } from '../../src/provision/create-master.ts';
import { createSubset } from '../../src/provision/create-subset.ts';
import { createVpn, type ProvisionDependencies } from '../../src/provision/create-vpn.ts';
import { type DataDirectory, dataDirectory } from '../../src/provision/data-directory.ts';
import { readSealingKey } from '../../src/provision/sealing-key-file.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import type { SealingKey } from '../../src/trust/sealing.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface MasterBedOptions {
  /** Subsets and their masters, the acting one first: `{ hamburg: ['elbe', 'trave'] }`. */
  readonly subsets: Readonly<Record<string, readonly string[]>>;
  readonly lifetimes?: Partial<Lifetimes>;
  readonly ipv4BlockLength?: number;
  /** A key for each subset, unless said. */
  readonly keying?: KeyingMode;
}

export const operatorName = parseOperatorName('ada');
const controlPort = 8_443;
/** Below those that Linux gives away; nothing real is behind them, and the machine may have a WireGuard of its own. */
const firstMembersPort = 20_000;

/** A VPN on the disk as `hanse vpn create` and the rest make it, for masters of a test to run on. */
export class MasterBed implements AsyncDisposable {
  readonly directory: DataDirectory;
  readonly storeUrl: string;
  /** The test's own hands in the store. */
  readonly store: Store;
  readonly sealingKey: SealingKey;
  readonly vpn: VpnRecord;
  readonly #cleanup: AsyncDisposable;

  private constructor(
    parts: Pick<MasterBed, 'directory' | 'storeUrl' | 'store' | 'sealingKey' | 'vpn'>,
    cleanup: AsyncDisposable,
  ) {
    this.directory = parts.directory;
    this.storeUrl = parts.storeUrl;
    this.store = parts.store;
    this.sealingKey = parts.sealingKey;
    this.vpn = parts.vpn;
    this.#cleanup = cleanup;
  }

  static async create(options: MasterBedOptions): Promise<MasterBed> {
    await using cleanup = new AsyncDisposableStack();
    const directory = dataDirectory(cleanup.use(await temporaryDirectory()).path);
    const storeUrl = `sqlite:${directory.storeFile}`;
    const store = cleanup.use(await openStore(storeUrl));
    const dependencies = { directory, store, storeUrl, nowMs: Date.now() };
    const vpn = await createVpn(
      {
        name: parseVpnName('corp'),
        ipv4: parsePrefix('100.64.0.0/10'),
        ipv4BlockLength: options.ipv4BlockLength ?? 21,
        keying: options.keying ?? 'per-subset',
        lifetimes: {
          certificateMs: 3_600_000,
          keyRotationMs: 86_400_000,
          absenceMs: 600_000,
          settleMs: 60_000,
          ...options.lifetimes,
        },
        operator: operatorName,
      },
      dependencies,
    );
    await createMasters(options, dependencies);
    const sealingKey = await readSealingKey(directory.sealingKey);
    return new MasterBed({ directory, storeUrl, store, sealingKey, vpn }, cleanup.move());
  }

  operator(): Promise<OperatorClient> {
    return operatorClientOf(this.directory);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#cleanup[Symbol.asyncDispose]());
  }
}

async function operatorClientOf(directory: DataDirectory): Promise<OperatorClient> {
  const profile = await readOperatorProfile(directory.operator(operatorName));
  return createOperatorClient({ profile });
}

async function createMasters(
  { subsets }: MasterBedOptions,
  dependencies: ProvisionDependencies,
): Promise<void> {
  const rootKeyPath = dependencies.directory.rootKey;
  for (const text of new Set(Object.values(subsets).flat())) {
    const control = freeLoopbackEndpoint();
    const membersPort = randomInt(firstMembersPort, firstMembersPort + 10_000);
    const wireguard = { host: hostOf(control), membersPort, backboneBasePort: 52_000 };
    await createMaster(
      { name: parseMasterName(text), control, wireguard, rootKeyPath },
      dependencies,
    );
  }
  for (const [text, [acting = '', ...backups]] of Object.entries(subsets)) {
    await createSubset(
      {
        name: parseSubsetName(text),
        acting: parseMasterName(acting),
        backups: backups.map(parseMasterName),
        rootKeyPath,
      },
      dependencies,
    );
  }
}

/** An address out of 127.0.0.0/8 that no other test draws, so that the port need not be free by chance. */
function freeLoopbackEndpoint(): Endpoint {
  const part = (): number => randomInt(1, 255);
  return endpointSchema.parse(`127.${part()}.${part()}.${part()}:${controlPort}`);
}
