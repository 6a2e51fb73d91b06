import { setTimeout as delay } from 'node:timers/promises';
import { createLab } from '../../lab/lab.ts';
import type { LabNode } from '../../lab/lab-node.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { begunSets, conversationSets } from '../../src/host/firewall/ruleset.ts';
import type { Figure } from '../figure.ts';
import { measureThroughput } from '../lab/tcp-throughput.ts';
import { measureSmallPackets } from '../lab/udp-packets.ts';
import { type Part, runsOf } from '../part.ts';
import { describeSpread, median } from '../statistics.ts';

const usualRounds = 9;
const calmMs = 500;
const sets = [...Object.values(conversationSets), ...Object.values(begunSets)];

interface Load {
  readonly name: string;
  readonly unit: string;
  readonly measure: (from: LabNode, to: LabNode, address: string) => Promise<number>;
  readonly noted: number[];
  readonly plain: number[];
}

/** The same traffic through a real master, with and without the rules that note who talks. */
export const noting: Part = {
  name: 'noting',
  summary: `TCP and small packets through a master that notes who talks, and one that does not, ${usualRounds} times by turns`,
  place: 'here',
  async measure(context) {
    const sites = ['hub', 'near', 'far'].map((host) => ({ name: `${host}-net`, hosts: [host] }));
    await using lab = await createLab({ topology: { sites } });
    const masters = [{ host: 'hub', subset: 'here' }];
    const vpn = await LabVpn.create(lab, { name: 'bench', masters });
    await vpn.startMasters();
    // With keys of their own they find no direct path.
    await vpn.hanse(['subset', 'create', 'there', '--acting', 'hub']);
    const [near, far] = [await vpn.join('near', 'here'), await vpn.join('far', 'there')];
    const rules = await NotingRules.of(lab.node('hub'));
    const loads: readonly Load[] = [
      { name: 'TCP', unit: 'Mbit/s', measure: measureThroughput, noted: [], plain: [] },
      {
        ...{ name: 'packets of 64 bytes', unit: 'a second', measure: measureSmallPackets },
        ...{ noted: [], plain: [] },
      },
    ];
    const rounds = runsOf(context, usualRounds);
    for (let round = 0; round < rounds; round += 1) {
      for (const { name, measure, noted, plain } of loads) {
        context.progress(`round ${round + 1} of ${rounds}: ${name}`);
        const run = async (isNoting: boolean) => {
          await rules.set(isNoting);
          (isNoting ? noted : plain).push(await measure(near.node, far.node, far.ipv4));
          await rules.require(isNoting);
          await delay(calmMs);
        };
        for (const isNoting of round % 2 === 0 ? [true, false] : [false, true]) await run(isNoting);
      }
    }
    return loads.map(figureOf);
  },
};

function figureOf({ name, unit, noted, plain }: Load): Figure {
  const digits = { maximumFractionDigits: 0 };
  const told = (samples: readonly number[]) =>
    `${median(samples).toLocaleString('en', digits)} ${unit}, ${describeSpread(samples)}`;
  return {
    name: `${name} through a master that notes who talks, share of one that does not`,
    unit: '',
    value: median(noted) / median(plain),
    detail: `${told(noted)}; ${told(plain)} without`,
  };
}

/** The forward chain of a master, as it is and without what notes. */
class NotingRules {
  readonly #master: LabNode;
  readonly #chain: string;
  readonly #listing: string;

  private constructor(master: LabNode, chain: string, listing: string) {
    this.#master = master;
    this.#chain = chain;
    this.#listing = listing;
  }

  static async of(master: LabNode): Promise<NotingRules> {
    const { stdout: tables } = await master.run('nft', ['list', 'tables']);
    const table = tables.match(/^table (inet hanse_\w+)$/m)?.[1];
    if (table === undefined) throw new Error(`${master.name} has no table of Hanse's`);
    const chain = `${table} forward`;
    const rules = new NotingRules(master, chain, await listChain(master, chain));
    await rules.require(true);
    return rules;
  }

  async set(isNoting: boolean): Promise<void> {
    const kept = isNoting ? this.#listing : withoutNotes(this.#listing);
    const input = `flush chain ${this.#chain}\n${kept}`;
    await this.#master.run('nft', ['-f', '-'], { input });
  }

  /** @throws Error when the master has put them back, or taken them out */
  async require(isNoting: boolean): Promise<void> {
    const listing = await listChain(this.#master, this.#chain);
    if ((withoutNotes(listing) !== listing) === isNoting) return;
    throw new Error('the rules of the master were changed while they were measured');
  }
}

async function listChain(master: LabNode, chain: string): Promise<string> {
  const { stdout } = await master.run('nft', ['list', 'chain', ...chain.split(' ')]);
  return stdout;
}

function withoutNotes(listing: string): string {
  return listing
    .split('\n')
    .filter((line) => !sets.some((set) => line.includes(`@${set}`)))
    .join('\n');
}
