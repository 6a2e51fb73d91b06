import { buildLab, type Delaying } from './build-lab.ts';
import { claimLab, dataDirectoryOf, type LabClaim } from './lab-claim.ts';
import { LabError } from './lab-error.ts';
import { LabLink } from './lab-link.ts';
import { LabNode } from './lab-node.ts';
import type { LabPlan } from './plan.ts';
import { planStay } from './plan-roaming.ts';
import { planTopology } from './plan-topology.ts';
import { removeDeadLabs, removeLab } from './remove-lab.ts';
import { Separation } from './separation.ts';
import { coreName, type Topology } from './topology.ts';

/**
 * Builds a topology out of network namespaces. When it resolves, all links carry packets.
 *
 * First removes what killed labs have left; labs whose owners live are safe, so any number may run at
 * once. After a failure or an abort nothing is left.
 *
 * @param signal stops the building; the lab, once built, ends by its disposal only
 * @throws LabError `invalid-topology`, `not-root` or `build-failed`; HostError when a command fails
 */
export async function createLab(
  options: { readonly topology: Topology },
  signal?: AbortSignal,
): Promise<Lab> {
  const plan = planTopology(options.topology);
  if (process.getuid?.() !== 0) {
    throw new LabError('the lab needs root, because it makes network namespaces: use sudo', {
      code: 'not-root',
    });
  }
  await removeDeadLabs();
  signal?.throwIfAborted();
  const claim = await claimLab();
  try {
    return new Lab(claim, plan, await buildLab(claim.id, plan, signal));
  } catch (error) {
    await removeLab(claim);
    throw error;
  }
}

/** A topology on this machine. It holds until it is disposed of. */
export class Lab implements AsyncDisposable {
  readonly id: string;
  /** For the files of its daemons; removed with the lab. */
  readonly directory: string;
  readonly #claim: LabClaim;
  readonly #plan: LabPlan;
  readonly #nodes: ReadonlyMap<string, LabNode>;
  readonly #links: ReadonlyMap<string, LabLink>;
  #separations = 0;
  #removal: Promise<void> | undefined;

  constructor(claim: LabClaim, plan: LabPlan, delaying: Delaying) {
    const directory = dataDirectoryOf(claim.id);
    this.id = claim.id;
    this.directory = directory;
    this.#claim = claim;
    this.#plan = plan;
    this.#nodes = new Map(
      plan.nodes.map((node) => [node.name, new LabNode(node, { labId: claim.id, directory })]),
    );
    this.#links = new Map(
      plan.links.map((link) => [link.name, new LabLink(link, { labId: claim.id, plan, delaying })]),
    );
  }

  /** A host by its name, a router by its site's. @throws LabError `unknown-node` */
  node(name: string): LabNode {
    return find(this.#nodes, 'node', name);
  }

  /** The node in the middle. */
  get core(): LabNode {
    return this.node(coreName);
  }

  /** A host's link by the host's name, a site's uplink by the site's. @throws LabError `unknown-node` */
  link(name: string): LabLink {
    return find(this.#links, 'link', name);
  }

  /**
   * Cuts the hosts of one group off from those of another, and from nobody else. Resolves when it is so.
   * Both must be visible to each other by their own addresses: hosts behind a NAT are not.
   */
  separate(one: readonly string[], other: readonly string[]): Promise<Separation> {
    this.#separations += 1;
    const [left, right] = [one, other].map((names) => names.map((name) => this.node(name)));
    return Separation.begin(this.#separations, left ?? [], right ?? []);
  }

  /**
   * Moves a host to another site, or back home, as one carries a laptop: it loses its link, and gets
   * one to the other router, with an address of that site. Its programs run on. The link keeps its
   * name and its shape, and is whole again if it was cut. Resolves when packets pass. The LAN there
   * keeps its MTU, so a host with a smaller one should stay at home.
   * @throws LabError `unknown-node` or `cannot-roam`
   */
  async roam(host: string, { to }: { readonly to: string }): Promise<void> {
    const stay = planStay(this.#plan, host, to);
    await this.link(host).moveTo(stay);
    this.node(host).settle(stay.node);
  }

  /** @throws LabError `left-behind` when something of it could not be removed */
  [Symbol.asyncDispose](): Promise<void> {
    this.#removal ??= removeLab(this.#claim);
    return this.#removal;
  }
}

function find<T>(map: ReadonlyMap<string, T>, kind: string, name: string): T {
  const found = map.get(name);
  if (found) return found;
  const known = [...map.keys()];
  throw new LabError(`the lab has no ${kind} ${name}: it has ${known.join(', ')}`, {
    code: 'unknown-node',
    fields: { name, known },
  });
}
