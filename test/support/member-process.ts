import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { systemClock } from '../../src/runtime/clock.ts';
import { MemoryHost } from './memory-host.ts';
import { RunningMember } from './running-member.ts';

/** A member daemon in a process of its own, so that it can be killed like one. */
export interface MemberProcess {
  /** Resolves when the process is gone. */
  kill(): Promise<void>;
}

export function startMemberProcess(directory: string, token: string): MemberProcess {
  const child = spawn(process.execPath, [import.meta.filename, directory, token], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  return {
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

if (import.meta.main) {
  const [directory, token] = process.argv.slice(2);
  if (!directory || !token) throw new Error('usage: member-process DIRECTORY TOKEN');
  const member = new RunningMember(
    { directory, join: { token } },
    { clock: systemClock, host: new MemoryHost() },
  );
  await member.outcome;
}
