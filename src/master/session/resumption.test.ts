import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { invite } from '../../../test/support/invite.ts';
import { MasterBed, operatorName } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { type ClientSession, SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import type { MasterMessage, View } from '../../api/messages.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';

const hamburg = parseSubsetName('hamburg');
const actor = `operator:${operatorName}`;

/** A member that believes whatever it is told, so that a late or repeated change would show. */
class CredulousMember {
  readonly #node: SessionNode;
  readonly #elbe: RunningMaster;
  #session: ClientSession | undefined;
  #view: View;
  /** The epoch of every key it has put to use, in order. */
  readonly epochs: number[];

  constructor(node: SessionNode, elbe: RunningMaster, view: View) {
    this.#node = node;
    this.#elbe = elbe;
    this.#view = view;
    this.epochs = [view.key.epoch];
  }

  async connect(): Promise<void> {
    if (this.#session) return;
    const session = await this.#node.resume(this.#elbe.endpoint, this.#view);
    this.#session = session;
    session.socket.on('message', () => {
      if (this.#session === session) this.#take(session);
    });
  }

  /** Loses what is under way, as a network does. */
  async disconnect(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.[Symbol.asyncDispose]();
  }

  get view(): View {
    return this.#view;
  }

  #take(session: ClientSession): void {
    for (const message of session.messages.splice(0)) {
      this.#apply(message);
      session.acknowledge(this.#view);
    }
  }

  #apply(message: MasterMessage): void {
    if (message.type === 'view') this.#view = message.view;
    else if (message.type === 'key-changed') {
      assert.equal(message.previousRevision, this.#view.revision, 'a change to another view');
      this.#view = { ...this.#view, revision: message.revision, key: message.key };
    } else assert.fail(`unexpected: ${JSON.stringify(message)}`);
    this.epochs.push(this.#view.key.epoch);
  }
}

const steps = fc.array(
  fc.constantFrom('rotate', 'rotate twice', 'connect', 'disconnect', 'restart'),
  {
    minLength: 1,
    maxLength: 12,
  },
);

test('a member never misses a key and never takes one twice, however often it is cut off', async () => {
  await using bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
  await using elbe = await RunningMaster.start(bed, 'elbe');
  const { token } = await invite(bed, 'hamburg');
  const node = new SessionNode('anna');
  const { session, admitted } = await node.join(elbe.endpoint, token);
  await session[Symbol.asyncDispose]();
  const rotate = () => elbe.subset('hamburg').departures.rotate(actor);
  let { view } = admitted;
  const run = async (sequence: readonly string[]): Promise<void> => {
    const member = new CredulousMember(node, elbe, view);
    for (const step of sequence) {
      if (step === 'rotate') await rotate();
      else if (step === 'rotate twice') await Promise.all([rotate(), rotate()]);
      else if (step === 'connect') await member.connect();
      else await member.disconnect();
      if (step === 'restart') await member.connect();
    }
    await member.connect();
    await until('the newest key, applied and acknowledged', () => {
      const live = elbe.master.hub.find(hamburg, parseMemberName('anna'));
      const { key } = elbe.subset('hamburg').state;
      const isAcknowledged = live?.appliedRevision === elbe.view('hamburg').revision;
      return isAcknowledged && member.view.key.groupKey === key.groupKey;
    });
    await member.disconnect();
    view = member.view;
    const sorted = [...new Set(member.epochs)].sort((a, b) => a - b);
    assert.deepEqual(member.epochs, sorted, 'each epoch once, in order');
  };
  await fc.assert(fc.asyncProperty(steps, run), { numRuns: 40 });
});
