import assert from 'node:assert/strict';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { createLab, type Lab } from '../../../lab/lab.ts';
import type { LabMaster } from '../../../lab/vpn/lab-master.ts';
import type { LabMember } from '../../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../../lab/vpn/lab-vpn.ts';
import type { RefusedMessage } from '../../../src/api/messages.ts';
import { hostOf, portOf } from '../../../src/model/endpoint.ts';
import type { Credentials } from '../certificate-bed.ts';
import { type ClientSession, SessionNode } from '../session-client.ts';
import type { LabDoor } from './lab-door.ts';
import { type LabOperator, labOperator, openDoorTo } from './lab-operator.ts';
import { readSamples } from './master-figures.ts';
import { untilSession } from './member-session.ts';

const topology = {
  sites: [
    { name: 'north-net', hosts: ['north-1', 'n1'] },
    { name: 'south-net', hosts: ['south-1', 's1', 's2'] },
  ],
};
const masters = [
  { host: 'north-1', subset: 'north' },
  { host: 'south-1', subset: 'south' },
];

/** What an HTTP request to a master was answered with. */
export interface HttpAnswer {
  readonly status: number | undefined;
  readonly body: string;
}

/** Two masters with a member each, and doors by which a test attacks them byte by byte. */
export class HostileBed implements AsyncDisposable {
  readonly lab: Lab;
  readonly vpn: LabVpn;
  readonly north: LabDoor;
  readonly south: LabDoor;
  readonly operator: LabOperator;
  /** An honest member of north. */
  readonly member: LabMember;
  readonly #startedMs: number;
  readonly #pids: readonly number[];

  private constructor(
    parts: Pick<HostileBed, 'lab' | 'vpn' | 'north' | 'south' | 'operator' | 'member'>,
    startedMs: number,
  ) {
    this.lab = parts.lab;
    this.vpn = parts.vpn;
    this.north = parts.north;
    this.south = parts.south;
    this.operator = parts.operator;
    this.member = parts.member;
    this.#startedMs = startedMs;
    this.#pids = parts.vpn.masters.map((master) => master.process.pid);
  }

  static async create(): Promise<HostileBed> {
    const lab = await createLab({ topology });
    try {
      const vpn = await LabVpn.create(lab, { name: 'corp', masters });
      await vpn.startMasters();
      const [north, south] = await Promise.all([
        openDoorTo(lab, vpn.master('north-1')),
        openDoorTo(lab, vpn.master('south-1')),
      ]);
      const entry = { master: vpn.master('north-1'), endpoint: north.endpoint };
      const operator = await labOperator(vpn, entry);
      const member = await vpn.join('n1', 'north');
      const { session } = await untilSession(member, 'live');
      return new HostileBed({ lab, vpn, north, south, operator, member }, session.sinceMs);
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  get master(): LabMaster {
    return this.vpn.master('north-1');
  }

  /** What the attempt is refused with by a master, which counts it under that code. */
  async refusal(
    attempt: () => Promise<ClientSession>,
    {
      master = this.master,
      countedAs,
    }: { readonly master?: LabMaster; readonly countedAs: string },
  ): Promise<RefusedMessage> {
    const before = await countRefusals(master);
    await using session = await attempt();
    const refused = await session.expect('refused');
    await session.close();
    const after = await countRefusals(master);
    const counted = [...after].filter(([code, count]) => count !== (before.get(code) ?? 0));
    assert.deepEqual(counted, [[countedAs, (before.get(countedAs) ?? 0) + 1]], refused.message);
    return refused;
  }

  /** Connects to a master's session endpoint with the credentials, and says `hello`. */
  resume(credentials: Credentials, door = this.north): Promise<ClientSession> {
    return new SessionNode('whoever', credentials).resume(door.endpoint);
  }

  /** An HTTPS request as anybody may send it. */
  async http(
    method: string,
    path: string,
    options: { readonly credentials?: Credentials; readonly body?: object } = {},
  ): Promise<HttpAnswer> {
    const { credentials, body } = options;
    const { endpoint } = this.north;
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: hostOf(endpoint),
          port: portOf(endpoint),
          method,
          path,
          agent: false,
          rejectUnauthorized: false,
          headers: { 'content-type': 'application/json' },
          ...(credentials
            ? {
                cert: credentials.chain.join('\n'),
                key: credentials.keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
              }
            : {}),
        },
        (response) =>
          void text(response).then(
            (answer) => resolve({ status: response.statusCode, body: answer }),
            reject,
          ),
      );
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Everybody who is honest has gone on as if nothing had been: the processes, and the member's session. */
  async assertUndisturbed(): Promise<void> {
    for (const [index, { name, process }] of this.vpn.masters.entries()) {
      assert.ok(await process.isRunning(), `${name} runs`);
      assert.equal(process.pid, this.#pids[index]);
      assert.doesNotMatch(await process.output(), /"level":(?:50|60)/, `${name} logged an error`);
    }
    const { session } = await untilSession(this.member, 'live');
    assert.equal(session.sinceMs, this.#startedMs, 'the honest member kept its session');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.north[Symbol.asyncDispose]();
    await this.south[Symbol.asyncDispose]();
    await this.lab[Symbol.asyncDispose]();
  }
}

async function countRefusals(master: LabMaster): Promise<ReadonlyMap<string, number>> {
  const samples = await readSamples(master);
  return new Map(
    samples
      .filter(({ name }) => name === 'hanse_refused_total')
      .map(({ labels, value }) => [labels['code'] ?? '', value]),
  );
}
