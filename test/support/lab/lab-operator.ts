import type { Lab } from '../../../lab/lab.ts';
import type { LabMaster } from '../../../lab/vpn/lab-master.ts';
import type { LabVpn } from '../../../lab/vpn/lab-vpn.ts';
import {
  createOperatorClient,
  type OperatorClient,
} from '../../../src/api/client/operator-client.ts';
import { readOperatorProfile } from '../../../src/api/client/operator-profile.ts';
import { createInvite } from '../../../src/api/invite-endpoints.ts';
import { removeMember } from '../../../src/api/member-endpoints.ts';
import { type Endpoint, endpointSchema } from '../../../src/model/endpoint.ts';
import {
  parseMasterName,
  parseMemberName,
  parseOperatorName,
  parseSubsetName,
} from '../../../src/model/names.ts';
import { dataDirectory } from '../../../src/provision/data-directory.ts';
import { evictMember } from '../load/evict-member.ts';
import { LabDoor } from './lab-door.ts';

const controlPort = 8_443;
/** Long, because the machine may be busy with other tests. */
const applyTimeoutMs = 60_000;

/** Leads to a master from the middle of the lab, as a stranger on the Internet would come. */
export function openDoorTo(lab: Lab, master: LabMaster): Promise<LabDoor> {
  const target = endpointSchema.parse(`${master.node.address('ipv4')}:${controlPort}`);
  return LabDoor.open(lab, { from: lab.core, target });
}

/** The operator's calls from the test's own process, through a door to one of the masters. */
export async function labOperator(
  vpn: LabVpn,
  entry: { readonly master: LabMaster; readonly endpoint: Endpoint },
): Promise<LabOperator> {
  const directory = dataDirectory(vpn.directory).operator(parseOperatorName('admin'));
  const profile = await readOperatorProfile(directory);
  const masters = [{ name: parseMasterName(entry.master.name), control: entry.endpoint }];
  return new LabOperator(createOperatorClient({ profile: { ...profile, masters } }));
}

export class LabOperator {
  readonly client: OperatorClient;

  constructor(client: OperatorClient) {
    this.client = client;
  }

  async invite(subset: string, uses = 1): Promise<string> {
    const params = { subset: parseSubsetName(subset) };
    const { token } = await this.client.call(createInvite, { params, body: { uses } });
    return token;
  }

  /** Resolves when the eviction is durable, whoever has applied it. */
  evict(member: { readonly subset: string; readonly name: string }): Promise<void> {
    return evictMember(this.client, member);
  }

  /**
   * Evicts and resolves when these have applied it, whoever else has not.
   * @throws Error when one of them does not in time
   */
  async evictUntilApplied(
    member: { readonly subset: string; readonly name: string },
    by: readonly string[],
  ): Promise<void> {
    const params = { subset: parseSubsetName(member.subset), name: parseMemberName(member.name) };
    const body = { kind: 'evict', waitMs: applyTimeoutMs } as const;
    const pending = new Set(by);
    for await (const progress of this.client.stream(removeMember, { params, body })) {
      if (progress.type === 'acknowledged') pending.delete(progress.member);
      if (pending.size === 0) return;
    }
    throw new Error(`${[...pending].join(', ')} did not apply that ${member.name} is out`);
  }
}
