import { begunSets, conversationSets } from '../../src/host/firewall/ruleset.ts';
import type { Runner } from '../../src/host/runner.ts';
import type { Address } from '../../src/model/prefix.ts';

/** Some 60 bytes each. */
const entriesPerRun = 5_000;
const timeoutMs = 30_000;

/** Two addresses of one family. */
export type Talk = readonly [Address, Address];

/** Where the kernel of a gateway notes who talks, over IPv4: entries of its sets. */
export class ConversationEntries {
  readonly #runner: Runner;
  readonly #table: string;

  constructor(runner: Runner, tableName: string) {
    this.#runner = runner;
    this.#table = `inet ${tableName}`;
  }

  /**
   * As the kernel would for packets there and back, but for an hour.
   * @param areNew whether they have begun just now, as far as the kernel is concerned
   */
  async note(talks: readonly Talk[], areNew = false): Promise<void> {
    const entries = talks.flatMap(([one, other]) => [`${one} . ${other}`, `${other} . ${one}`]);
    for (let first = 0; first < entries.length; first += entriesPerRun) {
      const some = entries.slice(first, first + entriesPerRun);
      const list = some.map((entry) => `${entry} timeout 1h`).join(', ');
      await this.#nft(
        `add element ${this.#table} ${conversationSets[4]} { ${list} }`,
        ...(areNew ? [`add element ${this.#table} ${begunSets[4]} { ${some.join(', ')} }`] : []),
      );
    }
  }

  /** As when none of them has sent anything for five seconds. */
  forget(): Promise<void> {
    return this.#nft(
      ...[conversationSets[4], begunSets[4]].map((set) => `flush set ${this.#table} ${set}`),
    );
  }

  async #nft(...lines: readonly string[]): Promise<void> {
    await this.#runner.run('nft', ['-f', '-'], { input: `${lines.join('\n')}\n`, timeoutMs });
  }
}
