import { invite } from './invite.ts';
import type { MasterBed } from './master-bed.ts';
import type { RunningMaster } from './running-master.ts';
import { SessionNode } from './session-client.ts';

/** A node that has joined hamburg, and has no session now. */
export async function joinedNode(
  name: string,
  { bed, master }: { readonly bed: MasterBed; readonly master: RunningMaster },
): Promise<SessionNode> {
  const node = new SessionNode(name);
  const { token } = await invite(bed, 'hamburg');
  const { session } = await node.join(master.endpoint, token);
  await session[Symbol.asyncDispose]();
  return node;
}
