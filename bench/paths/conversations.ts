import type { Part } from '../part.ts';
import { measureLooks } from './conversation-looks.ts';
import { measureMemory } from './conversation-memory.ts';
import { measurePackets } from './conversation-packets.ts';
import { measureScale } from './conversation-scale.ts';

const crowds = [
  { count: 500, inSight: 500 },
  { count: 1_000, inSight: 500 },
  { count: 1_000, inSight: 5_000 },
  { count: 3_000, inSight: 5_000 },
];

/** What it costs a master that it notices who talks, and remembers whom it has introduced. */
export const conversations: Part = {
  name: 'conversations',
  summary: `what noticing conversations costs, with sessions of up to ${Math.max(...crowds.map(({ count }) => count)).toLocaleString('en')} members that have ten each`,
  place: 'sandbox',
  async measure(context) {
    const figures = [
      ...(await measureLooks(context)),
      ...(await measureScale(context)),
      ...(await measurePackets(context)),
    ];
    for (const [number, crowd] of crowds.entries()) {
      figures.push(...(await measureMemory({ number, ...crowd }, context)));
    }
    return figures;
  },
};
