import { createRunner } from '../../host/runner.ts';
import { silentLog } from '../../runtime/log.ts';
import type { CommandContext } from '../command-context.ts';
import type { DirectoryOptions } from '../common-options.ts';
import { memberDirectoryOf } from '../member-socket.ts';
import { type MasterRunOptions, readMasterConfig } from './master.ts';

/** For a master that was stopped for good: stopping alone leaves its tunnels up. */
export async function takeDownMasterAction(
  options: MasterRunOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  const config = await readMasterConfig(options);
  const { takeDownMaster } = await import('../../master/run-master.ts');
  await takeDownMaster(config, silentLog());
  terminal.out.write(`the tunnels of master ${config.name} are down\n`);
}

/** For a member that was stopped: its memberships stay. */
export async function takeDownMemberAction(
  options: DirectoryOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  const { takeDownMember } = await import('../../member/take-down-member.ts');
  await takeDownMember(memberDirectoryOf(options), { runner: createRunner(), log: silentLog() });
  terminal.out.write('the tunnels of this member are down\n');
}
