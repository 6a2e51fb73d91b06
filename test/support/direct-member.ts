import type { DirectPath } from '../../src/api/direct-messages.ts';
import { parseMemberName } from '../../src/model/names.ts';
import { joinedNode } from './joined-node.ts';
import type { MasterBed } from './master-bed.ts';
import type { RunningMaster } from './running-master.ts';
import { type ClientSession, SessionNode } from './session-client.ts';

/** A session of a member of hamburg that has the newest view; with `takesDirect` it may be introduced to others. */
export async function directMember(
  name: string,
  at: { readonly bed: MasterBed; readonly master: RunningMaster },
  takesDirect = true,
): Promise<ClientSession> {
  const node = await joinedNode(name, at);
  const client = await node.connect(at.master.endpoint);
  client.send({
    ...{ type: 'hello', appliedRevision: 0, appliedEpoch: 0 },
    ...(takesDirect
      ? { direct: { port: 40_000, addresses: [], peers: [], chain: [...node.chain] } }
      : {}),
  });
  await client.expect('view');
  return client;
}

/** What a member may report of a path to the peer that is called so. */
export function directPath(peer: string, part: Partial<DirectPath> = {}): DirectPath {
  return {
    ...{ peer: new SessionNode(peer).wireguardKey, name: parseMemberName(peer) },
    ...{ state: 'direct', reason: 'packets come back', ageMs: 5_000 },
    ...{ endpoint: '198.51.100.1:1111', tried: ['198.51.100.1:1111'] },
    ...{ roundTripMs: 1.5, handshakeAgeMs: 9_000, ...part },
  };
}
