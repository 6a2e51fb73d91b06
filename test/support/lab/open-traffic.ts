import type { LabNode } from '../../../lab/lab-node.ts';

/** Bit 31 of both addresses is set, see `sealedAddress`. */
const sealed = 'ip6 saddr & ::8000:0 == ::8000:0 ip6 daddr & ::8000:0 == ::8000:0 meta l4proto udp';

/** Counts what a master forwards and could read, and what it could not: in its own tunnels, or from outside. */
export class OpenTraffic {
  readonly #node: LabNode;

  private constructor(node: LabNode) {
    this.#node = node;
  }

  static async count(node: LabNode): Promise<OpenTraffic> {
    const rules = `table inet open_traffic {
      counter open {}
      counter sealed {}
      counter relayed {}
      chain forward {
        type filter hook forward priority filter - 10; policy accept;
        iifname != "hns*" meta l4proto udp counter name relayed accept
        ${sealed} counter name sealed accept
        counter name open
      }
    }`;
    await node.run('nft', ['-f', '-'], { input: rules });
    return new OpenTraffic(node);
  }

  /** @returns packets */
  async stop(): Promise<Readonly<Record<'open' | 'sealed' | 'relayed', number>>> {
    const { stdout } = await this.#node.run('nft', [
      '-j',
      'list',
      'counters',
      'table',
      'inet',
      'open_traffic',
    ]);
    await this.#node.run('nft', ['delete', 'table', 'inet', 'open_traffic']);
    const { nftables } = JSON.parse(stdout) as {
      nftables: { counter?: { name: string; packets: number } }[];
    };
    const packets = (name: string) =>
      nftables.find(({ counter }) => counter?.name === name)?.counter?.packets ?? Number.NaN;
    return { open: packets('open'), sealed: packets('sealed'), relayed: packets('relayed') };
  }
}
