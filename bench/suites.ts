import { coreParts } from './core/parts.ts';
import { failoverParts } from './failover/parts.ts';
import type { Part } from './part.ts';
import { pathsParts } from './paths/parts.ts';
import { placementParts } from './placement/parts.ts';

/** What can be measured, by the name that the command line takes. */
export const suites: Readonly<Record<string, readonly Part[]>> = {
  core: coreParts,
  failover: failoverParts,
  paths: pathsParts,
  placement: placementParts,
};

/** @throws RangeError when there is none of this name */
export function findPart(suite: string, name: string): Part {
  const part = suites[suite]?.find((candidate) => candidate.name === name);
  if (part) return part;
  throw new RangeError(`there is no part ${name} in ${suite}`);
}
