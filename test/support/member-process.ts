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

/** @param token to join with; without one it goes on with what is on its disk */
export function startMemberProcess(directory: string, token?: string): MemberProcess {
  const args = [import.meta.filename, directory, ...(token === undefined ? [] : [token])];
  const child = spawn(process.execPath, args, {
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
  if (!directory) throw new Error('usage: member-process DIRECTORY [TOKEN]');
  const host = new MemoryHost();
  host.answersProbes = true;
  const join = token ? { join: { token } } : {};
  const member = new RunningMember({ directory, ...join }, { clock: systemClock, host });
  await member.outcome;
}
