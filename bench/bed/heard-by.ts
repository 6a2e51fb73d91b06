import type { MasterProcess } from './master-process.ts';

/** What the question itself is counted as. */
const statusKind = 'GET /v1/status';

/** Control messages and changes of the store by sender and kind, as a master has counted them since it started. */
export type Heard = ReadonlyMap<string, number>;

/** Everything that it has received, but for the question itself. */
export async function heardBy(master: MasterProcess): Promise<Heard> {
  const { received } = await master.status();
  const others = received.filter(({ kind }) => kind !== statusKind);
  return new Map(others.map(({ sender, kind, count }) => [`${sender}: ${kind}`, count]));
}

/** What has come in between; nothing of what has not. */
export function heardSince(before: Heard, after: Heard): Heard {
  const news = [...after].map(([what, count]) => [what, count - (before.get(what) ?? 0)] as const);
  return new Map(news.filter(([, count]) => count > 0));
}

export function totalOf(heard: Heard): number {
  return [...heard.values()].reduce((sum, count) => sum + count, 0);
}

/** "store: directory ×1", for the detail of a figure. */
export function describeHeard(heard: Heard): string {
  return [...heard].map(([what, count]) => `${what} ×${count}`).join(', ') || 'nothing';
}
