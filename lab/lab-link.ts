import { createRunner } from '../src/host/runner.ts';
import { type Delaying, delayableLinks } from './build-lab.ts';
import { LabError } from './lab-error.ts';
import { renderCut, renderUncut } from './link-cut.ts';
import { renderShape } from './link-shape.ts';
import { commandTimeoutMs, namespaceOf } from './namespaces.ts';
import { renderCarrierWait, renderEnd, renderNeighbour, renderRevival } from './node-script.ts';
import { type LabPlan, type LinkEnd, type LinkPlan, lanDevice } from './plan.ts';
import type { StayPlan } from './plan-roaming.ts';
import { type LinkShape, validateLink } from './topology.ts';

/** Seen from the lower end: `up` goes towards the core. */
export type LinkDirection = 'up' | 'down' | 'both';

/** Where the link is. */
export interface LabLinkDependencies {
  readonly labId: string;
  readonly plan: LabPlan;
  readonly delaying: Delaying;
}

/** A link of a living lab, to be broken, slowed and mended. Each method resolves when it is so. */
export class LabLink {
  readonly name: string;
  #link: LinkPlan;
  /** Of packets towards the core and away from it. */
  #shapes: Readonly<Record<'up' | 'down', LinkShape>>;
  readonly #labId: string;
  readonly #delaying: Delaying;
  /** Its place among the links that a process carries. */
  readonly #delayIndex: number;

  constructor(link: LinkPlan, { labId, plan, delaying }: LabLinkDependencies) {
    this.name = link.name;
    this.#link = link;
    this.#shapes = { up: link.shape, down: link.shape };
    this.#labId = labId;
    this.#delaying = delaying;
    this.#delayIndex = delayableLinks(plan).indexOf(link);
  }

  /** Silence: packets of that direction vanish, and neither end is told. Replaces an earlier cut. */
  async cut(direction: LinkDirection = 'both'): Promise<void> {
    const { upper, lower } = this.#link;
    const rules = (end: LinkEnd, arriving: LinkDirection) =>
      direction === 'both' || direction === arriving
        ? renderCut(end.device)
        : renderUncut(end.device);
    await Promise.all([
      this.#inside(upper, ['nft', '-f', '-'], rules(upper, 'up')),
      this.#inside(lower, ['nft', '-f', '-'], rules(lower, 'down')),
    ]);
  }

  /** A pulled plug: the lower end loses its carrier, and the upper end is down, its routes gone. */
  async unplug(): Promise<void> {
    const { upper } = this.#link;
    await this.#ip(upper, [`link set ${upper.device} down`]);
    await this.#setCarrier('off');
  }

  /** Undoes `cut` and `unplug`, and resolves when packets pass; the shape stays as it is. */
  async restore(): Promise<void> {
    const { upper, lower } = this.#link;
    await Promise.all(
      [upper, lower].map((end) => this.#inside(end, ['nft', '-f', '-'], renderUncut(end.device))),
    );
    await this.#setCarrier('on');
    await this.#ip(upper, renderRevival(upper));
    await Promise.all(
      [upper, lower].map((end) => this.#inside(end, ['sh', '-s'], lines(renderCarrierWait(end)))),
    );
  }

  /**
   * Gives a direction, or both, another rate, delay and loss. What is absent ends, so `{}` makes the
   * link perfect. It concerns packets that enter the link from then on.
   *
   * @throws LabError `not-delayable` when the topology did not declare that the link can delay
   */
  async shape(shape: LinkShape, direction: LinkDirection = 'both'): Promise<void> {
    validateLink(this.name, shape);
    const { delayMs = 0, lossPercent = 0 } = shape;
    if (!this.#link.delayable && delayMs + lossPercent > 0) throw notDelayable(this.name);
    const directions = direction === 'both' ? (['up', 'down'] as const) : [direction];
    for (const each of directions) this.#shapes = { ...this.#shapes, [each]: shape };
    const link = this.#delayIndex;
    const carrier = this.#carrier();
    await Promise.all([
      this.#shapeDevices(),
      ...directions.map((each) => carrier?.reshape({ link, direction: each, shape })),
    ]);
  }

  /** For `Lab.roam`: a host's end of it stays, with other addresses, and the other changes routers. */
  async moveTo({ node, link }: StayPlan): Promise<void> {
    // Rules that cut it would stay behind.
    await this.restore();
    const { upper, lower } = link;
    await this.#ip(lower, [`link set ${lower.device} down`, `address flush dev ${lower.device}`]);
    await this.#changeRouters(this.#link.upper, upper);
    this.#link = link;
    const neighbour = renderNeighbour(lanDevice, node.addresses);
    await this.#ip(upper, [...renderEnd(upper, link), ...neighbour]);
    await this.#ip(lower, renderEnd(lower, link));
    await this.restore();
    await this.#shapeDevices();
  }

  async #changeRouters(from: LinkEnd, to: LinkEnd): Promise<void> {
    if (from.node === to.node) return;
    const namespace = namespaceOf(this.#labId, to.node);
    await this.#ip(from, [`link set ${from.device} netns ${namespace} name ${to.device}`]);
  }

  /** Devices lose what shapes them when they move. */
  async #shapeDevices(): Promise<void> {
    const byKernel = this.#delaying.kind === 'kernel';
    const { upper, lower } = this.#link;
    const { up, down } = this.#shapes;
    const reshape = (end: LinkEnd, shape: LinkShape) =>
      this.#inside(end, ['tc', '-batch', '-'], lines(renderShape(end.device, shape, byKernel)));
    // A device shapes what it sends.
    await Promise.all([reshape(upper, down), reshape(lower, up)]);
  }

  /** The process that carries the packets of this link, if one does. */
  #carrier() {
    return this.#link.delayable && this.#delaying.kind === 'process'
      ? this.#delaying.links
      : undefined;
  }

  /** The end of a veth pair follows its other end; a device that a process carries must be told. */
  async #setCarrier(state: 'on' | 'off'): Promise<void> {
    const { lower } = this.#link;
    if (this.#carrier()) await this.#ip(lower, [`link set ${lower.device} carrier ${state}`]);
  }

  #ip(end: LinkEnd, batch: readonly string[]): Promise<void> {
    return this.#inside(end, ['ip', '-batch', '-'], lines(batch));
  }

  async #inside(end: LinkEnd, line: readonly string[], input: string): Promise<void> {
    const [command = '', ...args] = line;
    const runner = createRunner({ networkNamespace: namespaceOf(this.#labId, end.node) });
    await runner.run(command, args, { input, timeoutMs: commandTimeoutMs });
  }
}

const lines = (batch: readonly string[]): string => `${batch.join('\n')}\n`;

function notDelayable(name: string): LabError {
  return new LabError(
    `link ${name} cannot delay or lose packets: declare delayable: true for it in the topology`,
    { code: 'not-delayable', fields: { name } },
  );
}
