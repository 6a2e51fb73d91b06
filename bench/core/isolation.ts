import { join } from 'node:path';
import type { MemberName } from '../../src/model/names.ts';
import { evict } from '../bed/evict.ts';
import type { MasterProcess } from '../bed/master-process.ts';
import { VpnBed } from '../bed/vpn-bed.ts';
import { Crowd } from '../crowd/crowd.ts';
import type { Part } from '../part.ts';

const count = 1_000;
const inFlight = 32;

/**
 * What a master hears of membership changes in a subset that it neither acts for nor backs up,
 * counted by that master itself: control messages and changes that the store delivered.
 */
export const isolation: Part = {
  name: 'isolation',
  summary: `${count} joins and ${count} evictions, and what masters that have nothing to do with them hear`,
  place: 'sandbox',
  async measure({ directory, progress }) {
    const bed = await VpnBed.create({
      directory: join(directory, 'vpn'),
      masters: ['acting', 'backup', 'other'],
      subsets: [
        { name: 'changing', acting: 'acting', backups: ['backup'] },
        { name: 'quiet', acting: 'other' },
      ],
    });
    await using acting = await bed.startMaster('acting', ['changing']);
    await using backup = await bed.startMaster('backup', []);
    await using other = await bed.startMaster('other', ['quiet']);
    const masters = { acting, backup, other };
    await using crowd = new Crowd();
    await crowd.prepare(bed, 'acting', count);
    const token = await bed.createInvite('changing', count);
    const before = await heardBy(masters);
    progress('joining');
    const { names } = await crowd.join({ token, count, inFlight, stay: false });
    progress('evicting');
    await evictAll(bed, names);
    const after = await heardBy(masters);
    const heard = (name: keyof typeof masters): number => after[name] - before[name];
    return [
      {
        name: 'control messages and store events at a master not associated',
        unit: '',
        value: heard('other'),
        goal: { kind: 'at-most', value: 0 },
        reference: { name: 'at the acting master', value: heard('acting') },
        detail: `${count} joins and ${count} evictions; ${heard('backup')} at the backup, which watches the roll`,
      },
    ];
  },
};

/** Nobody waits for acknowledgements: there is nobody connected to give them. */
async function evictAll(bed: VpnBed, names: readonly MemberName[]): Promise<void> {
  const waiting = [...names];
  const evictNext = async (): Promise<void> => {
    for (let name = waiting.shift(); name; name = waiting.shift())
      await evict(bed, { subset: 'changing', name, waitMs: 0 });
  };
  await Promise.all(Array.from({ length: 8 }, evictNext));
}

async function heardBy<Name extends string>(
  masters: Record<Name, MasterProcess>,
): Promise<Record<Name, number>> {
  const counts: [string, number][] = [];
  for (const [name, master] of Object.entries<MasterProcess>(masters))
    counts.push([name, await heard(master)]);
  return Object.fromEntries(counts) as Record<Name, number>;
}

/** Everything that it has received, but for the question itself. */
async function heard(master: MasterProcess): Promise<number> {
  const { received } = await master.status();
  return received
    .filter(({ kind }) => kind !== statusKind)
    .reduce((sum, { count: ofKind }) => sum + ofKind, 0);
}
const statusKind = 'GET /v1/status';
