import { join } from 'node:path';
import { monotonicMs } from '../../lab/packet-stream.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { callLocal } from '../../src/api/client/local-client.ts';
import type { DirectPath, DirectState } from '../../src/api/direct-messages.ts';
import { localStatus } from '../../src/api/member-local.ts';
import { waitUntil } from '../bed/wait-until.ts';

const timeoutMs = 60_000;

/** Resolves when the path is in one of the states, with the state and when that began, by `monotonicMs`. */
export function untilPath(
  member: LabMember,
  peer: LabMember,
  states: readonly DirectState[],
): Promise<{ readonly state: DirectState; readonly sinceMs: number }> {
  return waitUntil(`a path from ${member.name} to ${peer.name}`, timeoutMs, async () => {
    const path = await pathTo(member, peer);
    if (!path || !states.includes(path.state)) return undefined;
    return { state: path.state, sinceMs: monotonicMs() - path.ageMs };
  });
}

/** Undefined while there is none, or no daemon that would tell. */
async function pathTo(member: LabMember, peer: LabMember): Promise<DirectPath | undefined> {
  const socket = join(member.directory, 'member', 'member.sock');
  const status = await callLocal(socket, localStatus, undefined).catch(() => undefined);
  return status?.memberships.flatMap(({ direct }) => direct).find(({ name }) => name === peer.name);
}
