import type { Part } from '../part.ts';
export const tcp: Part = { name: 'tcp', summary: '', place: 'here', measure: async () => [] };
