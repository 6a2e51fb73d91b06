import type { LabNode } from '../../../lab/lab-node.ts';

/** Counts the packets for some addresses that come out of any tunnel on a node, whether it has the addresses or not. */
export class ArrivedPackets {
  readonly #node: LabNode;

  private constructor(node: LabNode) {
    this.#node = node;
  }

  static async count(node: LabNode, addresses: readonly string[]): Promise<ArrivedPackets> {
    const rules = addresses.map((address) => {
      const family = address.includes(':') ? 'ip6' : 'ip';
      return `iifname "hns*" ${family} daddr ${address} counter name arrived`;
    });
    const table = `table inet arrived_packets {
      counter arrived {}
      chain prerouting {
        type filter hook prerouting priority raw - 10; policy accept;
        ${rules.join('\n')}
      }
    }`;
    await node.run('nft', ['-f', '-'], { input: table });
    return new ArrivedPackets(node);
  }

  /** @returns how many have come */
  async stop(): Promise<number> {
    const list = ['-j', 'list', 'counters', 'table', 'inet', 'arrived_packets'];
    const { stdout } = await this.#node.run('nft', list);
    await this.#node.run('nft', ['delete', 'table', 'inet', 'arrived_packets']);
    const { nftables } = JSON.parse(stdout) as {
      nftables: { counter?: { packets: number } }[];
    };
    return nftables.find(({ counter }) => counter)?.counter?.packets ?? Number.NaN;
  }
}
