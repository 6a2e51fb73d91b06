import { join } from 'node:path';
import { writeOperatorProfile } from '../../src/api/client/operator-profile.ts';
import { type ApiServer, type ServedRequest, startApiServer } from './api-server.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { knownMaster, TestVpn } from './test-vpn.ts';

type KnownMaster = ReturnType<typeof knownMaster>;

export interface OperatedMastersOptions {
  readonly names: readonly string[];
  readonly answer: (master: string, request: ServedRequest) => unknown;
  /** Which of them the profile names; all unless said. */
  readonly inProfile?: (masters: readonly KnownMaster[]) => readonly KnownMaster[];
}

/** Masters whose answers a test makes up, and an operator who knows them. */
export interface OperatedMasters extends AsyncDisposable {
  readonly masters: readonly KnownMaster[];
  /** Of the profile. */
  readonly profile: string;
  /** For `hanse`, so that it finds the profile. */
  readonly env: Readonly<Record<string, string>>;
}

export async function startOperatedMasters({
  names,
  answer,
  inProfile = (masters) => masters,
}: OperatedMastersOptions): Promise<OperatedMasters> {
  await using starting = new AsyncDisposableStack();
  const vpn = await TestVpn.create();
  const servers = new Map<string, ApiServer>();
  for (const name of names) {
    const server = await startApiServer({
      credentials: await vpn.master(name),
      clientRoot: vpn.root.certificatePem,
      answer: (request) => answer(name, request),
      relay: (dnsName) => servers.get(dnsName.split('.')[0] ?? '')?.port,
    });
    servers.set(name, starting.use(server));
  }
  const { path } = starting.use(await temporaryDirectory());
  const masters = [...servers].map(([name, { port }]) => knownMaster(name, port));
  const profile = join(path, 'profile');
  await writeOperatorProfile(profile, await vpn.profile([...inProfile(masters)]));
  const cleanup = starting.move();
  return {
    masters,
    profile,
    env: { HANSE_DIR: path, HANSE_PROFILE: profile },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}
