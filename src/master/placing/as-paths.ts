import { setImmediate } from 'node:timers/promises';
import type { PlacementPolicy } from '../../core/placement/policy.ts';
import type { SystemGraph } from '../../core/placement/system-graph.ts';
import {
  type AsPathLength,
  asPathLengths,
  systemsOfMasters,
} from '../../core/placement/system-paths.ts';

/**
 * How long paths between autonomous systems are for newcomers, by the operator's file of links. It
 * has the Internet's size, and what is kept besides is for the systems of masters only.
 */
export class AsPaths {
  readonly #graph: SystemGraph;

  constructor(graph: SystemGraph) {
    this.#graph = graph;
  }

  /**
   * Finds what `lengths` looks up. Each system takes some 20 ms, once; in between others have their turn.
   */
  async prepare(policy: PlacementPolicy): Promise<void> {
    for (const system of systemsOfMasters(policy)) {
      if (this.#graph.explore(system)) await setImmediate();
    }
  }

  lengths(policy: PlacementPolicy): AsPathLength {
    return asPathLengths(this.#graph, policy);
  }
}
