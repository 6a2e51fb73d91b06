import type { Family } from '../../model/prefix.ts';
import { forwardsEverything, readForwarding, writeForwarding } from '../link/sysctl.ts';
import type { GuardedInterface } from './relay-table.ts';

/**
 * Which interfaces forward for a relay's sake. A machine that has forwarded nothing there so far must
 * still forward nothing but what is relayed: the table drops the rest of what arrives by a guarded
 * interface. A machine that forwards for other reasons, or comes to do so, is not restricted.
 */
export class ForwardingGuard {
  readonly #guarded = new Map<string, GuardedInterface>();

  /** @param left what an earlier process has guarded */
  constructor(left: readonly GuardedInterface[]) {
    for (const entry of left) this.#guarded.set(keyOf(entry), entry);
  }

  get guarded(): readonly GuardedInterface[] {
    return [...this.#guarded.values()];
  }

  /** Whether what arrives by an interface is forwarded, or can be without all else being so. */
  async canForward(name: string, family: Family): Promise<boolean> {
    return (await readForwarding(name, family)) !== undefined || (await forwardsEverything(family));
  }

  /**
   * From now on the interface is guarded, unless it forwards already.
   * @returns whether it was not before: then the table has to have it before `open` is called
   */
  async guard(entry: GuardedInterface): Promise<boolean> {
    const { name, family } = entry;
    if (this.#guarded.has(keyOf(entry)) || (await forwardsEverything(family))) return false;
    if ((await readForwarding(name, family)) !== false) return false;
    this.#guarded.set(keyOf(entry), entry);
    return true;
  }

  /**
   * From now on what arrives by these is forwarded, as far as they are guarded: the table must have them.
   * @throws HostError `command-failed`
   */
  async open(interfaces: readonly GuardedInterface[]): Promise<void> {
    await write(
      interfaces.filter((entry) => this.#guarded.has(keyOf(entry))),
      true,
    );
  }

  /** Forgets those of a family for which the machine forwards everything by now, and returns them. */
  async release(): Promise<readonly GuardedInterface[]> {
    const released: GuardedInterface[] = [];
    for (const [key, entry] of this.#guarded) {
      if (!(await forwardsEverything(entry.family))) continue;
      this.#guarded.delete(key);
      released.push(entry);
    }
    return released;
  }

  /** Guarded interfaces forward nothing any more; only then may the table go. */
  async shut(): Promise<void> {
    await this.release();
    await write(this.guarded, false);
    this.#guarded.clear();
  }
}

async function write(interfaces: readonly GuardedInterface[], forwarding: boolean): Promise<void> {
  for (const { name, family } of interfaces) {
    // An interface that is gone has no switch.
    if ((await readForwarding(name, family)) === undefined) continue;
    await writeForwarding(name, family, forwarding);
  }
}

function keyOf({ name, family }: GuardedInterface): string {
  return `${family} ${name}`;
}
