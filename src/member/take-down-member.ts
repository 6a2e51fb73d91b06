import { createHost } from '../host/host.ts';
import type { Runner } from '../host/runner.ts';
import { lockDirectory } from '../runtime/directory-lock.ts';
import type { Log } from '../runtime/log.ts';
import { MemberDirectory } from './member-directory.ts';
import { memberOwner } from './run-member.ts';

/**
 * Takes the tunnels of a member that does not run away from this machine. Its memberships stay:
 * `hanse member run` brings them up again.
 * @throws DirectoryBusyError while it runs; HostError
 */
export async function takeDownMember(
  directory: string,
  { runner, log }: { readonly runner: Runner; readonly log: Log },
): Promise<void> {
  using _lock = await lockDirectory(directory);
  const { identityKey } = await new MemberDirectory(directory).identity();
  const host = await createHost({ owner: memberOwner(identityKey) }, { runner, log });
  await host.destroy();
}
