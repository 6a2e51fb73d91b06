/** A complete directed graph. */
export interface Graph {
  /** 0 or more; Infinity where there is no arc. Where it is `limit` or more, a lower bound that is too will do. */
  lengthOf(from: number, to: number, limit: number): number;
}

/** Dijkstra's algorithm (Numerische Mathematik 1, 1959) on dense graphs, up to the first of several sinks. */
export class ShortestPaths {
  private readonly distance: Float64Array;
  private readonly before: Int32Array;
  private readonly isDone: Uint8Array;
  private readonly isSink: Uint8Array;

  constructor(nodes: number) {
    this.distance = new Float64Array(nodes);
    this.before = new Int32Array(nodes);
    this.isDone = new Uint8Array(nodes);
    this.isSink = new Uint8Array(nodes);
  }

  /** @returns the nearest sink. @throws RangeError when none can be reached */
  find(sources: readonly number[], sinks: readonly number[], graph: Graph): number {
    this.distance.fill(Infinity);
    this.before.fill(-1);
    this.isDone.fill(0);
    this.isSink.fill(0);
    for (const source of sources) this.distance[source] = 0;
    for (const sink of sinks) this.isSink[sink] = 1;
    let nearestSink = Infinity;
    for (;;) {
      const node = this.nearest();
      if (node < 0) throw new RangeError('no sink can be reached');
      if (this.isSink[node] === 1) return node;
      this.isDone[node] = 1;
      nearestSink = this.relax(node, nearestSink, graph);
    }
  }

  /** The distance of a node that is nearer than the sink, and the sink's of all others. */
  distanceUpTo(sink: number, node: number): number {
    return Math.min(this.distance[node] ?? Infinity, this.distance[sink] ?? Infinity);
  }

  /** From a source to the sink, both included. */
  pathTo(sink: number): number[] {
    const path = [sink];
    for (let node = this.before[sink] ?? -1; node >= 0; node = this.before[node] ?? -1) {
      path.unshift(node);
    }
    return path;
  }

  private nearest(): number {
    let [best, least] = [-1, Infinity];
    for (let node = 0; node < this.distance.length; node += 1) {
      const distance = this.distance[node] ?? Infinity;
      if (this.isDone[node] === 0 && distance < least) [best, least] = [node, distance];
    }
    return best;
  }

  /** @returns the distance of the nearest sink so far: what is further away need not be known */
  private relax(node: number, nearestSink: number, graph: Graph): number {
    const start = this.distance[node] ?? 0;
    for (let to = 0; to < this.distance.length; to += 1) {
      if (this.isDone[to] === 1) continue;
      const known = Math.min(this.distance[to] ?? Infinity, nearestSink);
      const length = graph.lengthOf(node, to, known - start);
      if (length >= known - start) continue;
      this.distance[to] = start + length;
      this.before[to] = node;
      if (this.isSink[to] === 1) nearestSink = start + length;
    }
    return nearestSink;
  }
}
