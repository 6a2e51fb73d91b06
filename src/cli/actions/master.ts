import { X509Certificate } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { endpointSchema, hostSchema } from '../../model/endpoint.ts';
import { InvalidInputError } from '../../model/error.ts';
import { type MasterName, parseMasterName } from '../../model/names.ts';
import { createMaster } from '../../provision/create-master.ts';
import { dataDirectory } from '../../provision/data-directory.ts';
import { renewMaster } from '../../provision/renew-master.ts';
import { parseConfig } from '../../runtime/config-text.ts';
import { readIfPresent } from '../../runtime/durable-file.ts';
import type { LogLevel } from '../../runtime/log.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../command-context.ts';
import { defaultDirectory, type RootKeyOptions } from '../common-options.ts';
import { readConfigFile } from '../config/config-file.ts';
import { type MasterConfig, masterConfigSchema } from '../config/daemon-config.ts';
import { parseOption } from '../option-schema.ts';
import { formatTime } from '../output/human-units.ts';
import { formatFields } from '../output/table.ts';
import { directoryOf, rootKeyPathOf, withProvisioning } from '../provisioning.ts';

export interface MasterCreateOptions extends RootKeyOptions {
  readonly control: string;
  readonly wireguardHost: string;
  readonly membersPort: number;
  readonly backboneBasePort: number;
}

export interface MasterRunOptions {
  readonly config?: string;
  readonly name?: string;
  readonly dir?: string;
  readonly listen?: string;
  readonly store?: string;
  readonly metricsListen?: string;
  readonly logLevel?: LogLevel;
}

export async function createMasterAction(
  name: string,
  options: MasterCreateOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  const master = {
    name: parseMasterName(name),
    control: parseOption('--control', endpointSchema, options.control),
    wireguard: {
      host: parseOption('--wireguard-host', hostSchema, options.wireguardHost),
      membersPort: options.membersPort,
      backboneBasePort: options.backboneBasePort,
    },
    rootKeyPath: rootKeyPathOf(options),
  };
  const record = await withProvisioning(options, 'existing', (dependencies) =>
    createMaster(master, dependencies),
  );
  const { host, membersPort, backboneBasePort } = record.wireguard;
  terminal.out.write(
    formatFields([
      ['master', record.name],
      ['index', String(record.index)],
      ['control', record.control],
      ['wireguard', `${host}:${membersPort}, and from port ${backboneBasePort + 1} for masters`],
      ['configuration', directoryOf(options).master(record.name).config],
    ]),
  );
  terminal.err.write(
    `Next: hanse subset create NAME --acting ${record.name}; hanse master run --name ${record.name}\n`,
  );
}

export async function renewMasterAction(
  name: string,
  options: RootKeyOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  const master = parseMasterName(name);
  const request = {
    name: master,
    rootKeyPath: rootKeyPathOf(options),
    regionStoreUrls: await regionStoreUrlsOf(master, options),
  };
  const { record, subsets } = await withProvisioning(options, 'existing', (dependencies) =>
    renewMaster(request, dependencies),
  );
  const { validToDate } = new X509Certificate(record.chain[0] ?? '');
  terminal.out.write(
    formatFields([
      ['master', name],
      ['certificate', directoryOf(options).master(master).certificate],
      ['ends', formatTime(validToDate.getTime())],
      ['authority for', subsets.join(', ') || 'no subset'],
    ]),
  );
  terminal.err.write(
    `A master that runs goes on with its old certificates: restart ${name} before they end, or to have what is new in them.\n`,
  );
}

/** The ways by which the master itself reaches the stores of its regions, if it is configured here. */
async function regionStoreUrlsOf(
  master: MasterName,
  options: RootKeyOptions,
): Promise<Readonly<Record<string, string>>> {
  const { config } = directoryOf(options).master(master);
  const text = await readIfPresent(config);
  return text === undefined ? {} : (parseConfig(text, config, masterConfigSchema).regions ?? {});
}

/** Runs until the signal is aborted. Options win over the file. */
export async function runMasterAction(
  options: MasterRunOptions,
  { signal }: CommandContext,
): Promise<undefined> {
  const config = await readMasterConfig(options);
  const { runMaster } = await import('../../master/run-master.ts');
  await runMaster(config, signal);
}

/** What the file says, with what the command line or the environment says in its place. */
export async function readMasterConfig(options: MasterRunOptions): Promise<MasterConfig> {
  const path = options.config ?? (await findConfig(options));
  const file = await readConfigFile(path, masterConfigSchema);
  const { name, dir, store, listen, metricsListen, logLevel } = options;
  if (options.config !== undefined && name !== undefined && name !== file.name) {
    throw new InvalidInputError(`--name ${name} does not fit ${path}, which is for ${file.name}`);
  }
  const listenOption = (flag: string, text: string) => parseOption(flag, endpointSchema, text);
  return {
    ...file,
    ...(dir === undefined ? {} : { dir: resolve(dir) }),
    ...(store === undefined ? {} : { store }),
    ...(listen === undefined ? {} : { listen: listenOption('--listen', listen) }),
    ...(metricsListen === undefined
      ? {}
      : { metricsListen: listenOption('--metrics-listen', metricsListen) }),
    ...(logLevel === undefined ? {} : { logLevel }),
  };
}

async function findConfig({ name, dir = defaultDirectory }: MasterRunOptions): Promise<string> {
  const directory = dataDirectory(resolve(dir));
  if (name !== undefined) return directory.master(parseMasterName(name)).config;
  const names = await readdir(directory.masters).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const [only, ...others] = names.sort();
  if (only !== undefined && others.length === 0) {
    return directory.master(parseMasterName(only)).config;
  }
  if (only !== undefined) {
    throw new CliError(
      `several masters were made here (${names.join(', ')}): choose one with --name`,
      { code: 'several-masters', fields: { names } },
    );
  }
  throw new CliError(
    `no master was made under ${directory.masters}: make one with \`hanse master create\`, or give --config or --dir`,
    { code: 'no-master', fields: { directory: directory.masters } },
  );
}
