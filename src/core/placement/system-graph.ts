/**
 * How two neighbouring autonomous systems stand to each other, as in CAIDA's AS relationships:
 * the first is a provider of the second, they are peers, or they are siblings.
 */
export type SystemRelation = 'provider' | 'peer' | 'sibling';

export interface SystemLink {
  /** Numbers of autonomous systems, 32 bits. */
  readonly one: number;
  readonly other: number;
  readonly relation: SystemRelation;
}

/** Who is a system's provider, peer, customer or sibling, by their places in the graph. */
interface Neighbours {
  readonly up: number[];
  readonly across: number[];
  readonly down: number[];
  readonly beside: number[];
}

const unreached = 255;
/** More masters than any VPN has systems of; each takes a byte for every system of the Internet. */
const mostKnown = 1_024;

/**
 * Autonomous systems and their links. A path goes as routes are announced (L. Gao, "On Inferring
 * Autonomous System Relationships in the Internet", 2001): up from customers to providers, across at
 * most one link between peers, and down again; nobody carries traffic between two of its providers.
 */
export class SystemGraph {
  private readonly places = new Map<number, number>();
  private readonly neighbours: Neighbours[] = [];
  /** By system: the length of the path to each place. */
  private readonly known = new Map<number, Uint8Array>();

  constructor(links: Iterable<SystemLink>) {
    for (const { one, other, relation } of links) {
      const [from, to] = [this.placeOf(one), this.placeOf(other)];
      const [here, there] = [this.neighbours[from], this.neighbours[to]];
      if (relation === 'provider') {
        here?.down.push(to);
        there?.up.push(from);
      } else {
        here?.[relation === 'peer' ? 'across' : 'beside'].push(to);
        there?.[relation === 'peer' ? 'across' : 'beside'].push(from);
      }
    }
  }

  /** Links on the shortest path, the same both ways; 0 within one system, undefined where there is none. */
  distance(one: number, other: number): number | undefined {
    if (one === other) return 0;
    const place = this.places.get(other);
    if (place === undefined || !this.places.has(one)) return undefined;
    this.explore(one);
    const links = this.known.get(one)?.[place] ?? unreached;
    return links === unreached ? undefined : links;
  }

  /** Finds the distances from a system, which are kept. @returns false when they are known, or it is not */
  explore(system: number): boolean {
    const start = this.places.get(system);
    if (start === undefined || this.known.has(system)) return false;
    const [oldest] = this.known.keys();
    if (this.known.size >= mostKnown && oldest !== undefined) this.known.delete(oldest);
    this.known.set(system, this.distancesFrom(start));
    return true;
  }

  private placeOf(system: number): number {
    const known = this.places.get(system);
    if (known !== undefined) return known;
    const place = this.neighbours.length;
    this.places.set(system, place);
    this.neighbours.push({ up: [], across: [], down: [], beside: [] });
    return place;
  }

  /**
   * Breadth first. A state is a place, or, once paths have begun to go down, a place beyond all of
   * them: a system that is reached while they still go up leads on to more.
   */
  private distancesFrom(start: number): Uint8Array {
    const count = this.neighbours.length;
    const distances = new Uint8Array(2 * count).fill(unreached);
    distances[start] = 0;
    let reached = [start];
    for (let links = 1; reached.length > 0 && links < unreached; links += 1) {
      const next: number[] = [];
      const visit = (places: readonly number[] = [], offset: number): void => {
        for (const place of places) {
          if (distances[place + offset] !== unreached) continue;
          distances[place + offset] = links;
          next.push(place + offset);
        }
      };
      for (const state of reached) {
        const isDescending = state >= count;
        const near = this.neighbours[isDescending ? state - count : state];
        visit(near?.down, count);
        visit(near?.beside, isDescending ? count : 0);
        if (isDescending) continue;
        visit(near?.up, 0);
        visit(near?.across, count);
      }
      reached = next;
    }
    return distances
      .subarray(0, count)
      .map((climbing, place) => Math.min(climbing, distances[count + place] ?? unreached));
  }
}
