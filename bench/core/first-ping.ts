import type { Part } from '../part.ts';
export const firstPing: Part = {
  name: 'first-ping',
  summary: '',
  place: 'here',
  measure: async () => [],
};
