import { join } from 'node:path';
import type { MemberName } from '../../src/model/names.ts';
import { evict } from '../bed/evict.ts';
import { heardBy, heardSince, totalOf } from '../bed/heard-by.ts';
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
    const masters = [acting, backup, other];
    await using crowd = new Crowd();
    await crowd.prepare({ bed, masters: ['acting'], count });
    const token = await bed.createInvite('changing', count);
    const before = await Promise.all(masters.map(heardBy));
    progress('joining');
    const { names } = await crowd.join({ token, count, inFlight, stay: false });
    progress('evicting');
    await evictAll(bed, names);
    const after = await Promise.all(masters.map(heardBy));
    const [atActing = 0, atBackup = 0, atOther = 0] = before.map((then, index) =>
      totalOf(heardSince(then, after[index] ?? then)),
    );
    return [
      {
        name: 'control messages and store events at a master not associated',
        unit: '',
        value: atOther,
        goal: { kind: 'at-most', value: 0 },
        reference: { name: 'at the acting master', value: atActing },
        detail: `${count} joins and ${count} evictions; ${atBackup} at the backup, which watches the roll`,
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
