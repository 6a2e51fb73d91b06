import type { LabNode } from './lab-node.ts';
import { hostDevice } from './plan.ts';

/**
 * Two groups of hosts that hear nothing of each other, while everybody else hears both. Any number
 * may hold at once. It lasts until it is ended.
 */
export class Separation {
  readonly #table: string;
  readonly #hosts: readonly LabNode[];

  private constructor(table: string, hosts: readonly LabNode[]) {
    this.#table = table;
    this.#hosts = hosts;
  }

  /** @param number unique among those of a lab */
  static async begin(
    number: number,
    one: readonly LabNode[],
    other: readonly LabNode[],
  ): Promise<Separation> {
    const table = `separation_${number}`;
    await Promise.all([
      ...one.map((host) => apply(host, renderDeafness(table, other.flatMap(addressesOf)))),
      ...other.map((host) => apply(host, renderDeafness(table, one.flatMap(addressesOf)))),
    ]);
    return new Separation(table, [...one, ...other]);
  }

  /** Resolves when they hear each other again; harmless when they do already. */
  async end(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => apply(host, renderHearing(this.#table))));
  }
}

/** Silence, as after a cut of a link, but only from these. */
function renderDeafness(table: string, senders: readonly string[]): string {
  const rules = senders.map(
    (address) => `    ${address.includes(':') ? 'ip6' : 'ip'} saddr ${address} drop`,
  );
  return `table netdev ${table} {
  chain deaf {
    type filter hook ingress device "${hostDevice}" priority -400; policy accept;
${rules.join('\n')}
  }
}
`;
}

/** Naming a table makes it, so that deleting it cannot fail. */
function renderHearing(table: string): string {
  return `table netdev ${table}\ndelete table netdev ${table}\n`;
}

const addressesOf = ({ addresses }: LabNode): readonly string[] => addresses;

async function apply(host: LabNode, input: string): Promise<void> {
  await host.run('nft', ['-f', '-'], { input });
}
