import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EtcdCluster } from '../../lab/etcd/etcd-cluster.ts';
import { type AcknowledgedJoin, MembershipLoad } from '../../test/support/load/membership-load.ts';
import { doubledChanges, lostChanges } from '../../test/support/load/roll-discrepancies.ts';
import { SeededRandom } from '../../test/support/load/seeded-random.ts';
import { readRoll } from '../../test/support/load/stored-roll.ts';
import { memberAddress, serverAddress } from '../bed/master-network.ts';
import { VpnBed } from '../bed/vpn-bed.ts';
import { targetOf } from '../crowd/crowd-target.ts';
import { SimulatedMember } from '../crowd/simulated-member.ts';
import type { Figure } from '../figure.ts';
import { type Part, type PartContext, runsOf } from '../part.ts';
import { Assault } from './assault.ts';

const usualKills = 200;
const workers = 8;
const etcdMembers = 3;
const subset = 'changing';
const masters = ['one', 'two', 'three'];
const progressEvery = 10;
/** Of what is wrong, told at most; the figures have the number. */
const mostExamples = 10;

/** Whether every change that a client was told is done is there, once, whatever was killed meanwhile. */
export const changes: Part = {
  name: 'changes',
  summary: `invites, joins and evictions go on over ${usualKills} kills of acting masters and etcd leaders`,
  place: 'sandbox',
  async measure(context) {
    await using stack = new AsyncDisposableStack();
    const random = SeededRandom.from('HANSE_BENCH_SEED');
    context.progress(`repeat with HANSE_BENCH_SEED=${random.seed}`);
    const etcd = stack.use(await startEtcd(context));
    const bed = await VpnBed.create({
      directory: join(context.directory, 'vpn'),
      storeUrl: etcd.url(),
      masters,
      subsets: [{ name: subset, acting: 'one', backups: masters.slice(1) }],
    });
    const load = loadOn(bed, random);
    const assault = stack.use(await Assault.begin({ bed, etcd, subset, masters, load, random }));
    load.start(workers);
    const kills = runsOf(context, usualKills);
    for (let kill = 1; kill <= kills; kill += 1) {
      await assault.kill();
      if (kill % progressEvery === 0 || kill === kills)
        context.progress(`${kill} of ${kills} kills, ${load.count} changes acknowledged`);
    }
    await load.stop();
    return await compare(load, { storeUrl: bed.storeUrl, assault, context });
  },
};

/** On the disk, and with its default timing. */
async function startEtcd({ directory: parent }: PartContext): Promise<EtcdCluster> {
  const directory = join(parent, 'etcd');
  await mkdir(directory, { mode: 0o700 });
  const members = Array.from({ length: etcdMembers }, (_, index) => serverAddress(index));
  return EtcdCluster.start({ members, directory });
}

function loadOn(bed: VpnBed, random: SeededRandom): MembershipLoad {
  const target = targetOf(bed.profile, masters);
  let serial = 0;
  const join = async (name: string, token: string): Promise<AcknowledgedJoin> => {
    serial += 1;
    const member = new SimulatedMember({ name, target, sourceAddress: memberAddress(serial) });
    await member.join(token);
    member.disconnect();
    if (!member.place) throw new Error(`${name} was admitted to no place`);
    return member.place;
  };
  return new MembershipLoad({ subset, operator: bed.operator, random, join });
}

async function compare(
  load: MembershipLoad,
  {
    storeUrl,
    assault,
    context,
  }: { readonly storeUrl: string; readonly assault: Assault; readonly context: PartContext },
): Promise<readonly Figure[]> {
  const roll = await readRoll(storeUrl, subset);
  const [lost, doubled] = [lostChanges(load, roll), doubledChanges(load, roll)];
  for (const example of [...lost, ...doubled].slice(0, mostExamples)) context.progress(example);
  const { invited, joined, evicted } = load;
  const detail = `${invited.size} invites, ${joined.size} joins and ${evicted.size} evictions over ${assault.describe()}`;
  const figure = (name: string, wrong: readonly string[]): Figure => ({
    name,
    unit: '',
    value: wrong.length,
    goal: { kind: 'at-most', value: 0 },
    detail,
  });
  return [
    figure('acknowledged changes that are lost', lost),
    figure('changes that were made twice', doubled),
  ];
}
