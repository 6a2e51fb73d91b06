/** By UTF-16 code units, the same on every machine; names are ASCII. */
export function compareNames(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
