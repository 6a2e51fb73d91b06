import type { Part } from '../part.ts';
export const eviction: Part = { name: 'eviction', summary: '', place: 'here', measure: async () => [] };
