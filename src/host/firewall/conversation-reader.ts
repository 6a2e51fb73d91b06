import type { Dialogue } from '../dialogue.ts';
import { stderrOf } from '../host-error.ts';
import type { Runner } from '../runner.ts';
import { type Conversation, collectConversations } from './conversation-listing.ts';
import { begunSets, conversationSets } from './ruleset.ts';

/** 131,070 entries, as many as there can be, take 1.5 s on a busy machine. */
const timeoutMs = 10_000;
/** A full set of IPv6 pairs is 8 MB. */
const maxAnswerBytes = 32 * 1024 * 1024;
/** nft remembers each line for its user, who would go back to it: some 200 bytes per read. */
const readsPerProgram = 10_000;

const openOptions = {
  env: {
    // It would keep those lines in a file there.
    HOME: '/dev/null',
    TERM: 'dumb',
  },
  isAnswer: (line: string): boolean => line.startsWith('{'),
  maxAnswerBytes,
};

type SetNames = typeof conversationSets | typeof begunSets;

/**
 * Who exchanges packets through this gateway, by the kernel's word. An `nft` that stays asks for it:
 * a process per look would take ten times as long, and stop us while our page tables are copied.
 */
export class ConversationReader implements AsyncDisposable {
  readonly #runner: Runner;
  readonly #tableName: string;
  #program: Promise<Dialogue> | undefined;
  #readsLeft = 0;
  /** The reads that are going on or wait, by set, for all who ask meanwhile. */
  readonly #current = new Map<SetNames, Promise<readonly Conversation[]>>();
  /** A dialogue takes one question at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(runner: Runner, tableName: string) {
    this.#runner = runner;
    this.#tableName = tableName;
  }

  /**
   * Each pair once; none when there is no table. After an error the next read starts anew.
   *
   * @throws HostError `command-failed`, `missing-program`, `unreadable-output`
   */
  read(): Promise<readonly Conversation[]> {
    return this.#share(conversationSets);
  }

  /** As `read`, of those alone that have begun in the last second, after a silence of five. */
  readBegun(): Promise<readonly Conversation[]> {
    return this.#share(begunSets);
  }

  /** Ends the program; a later read would start it again. */
  async [Symbol.asyncDispose](): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    // Who could not start it has been told.
    const dialogue = await program?.catch(() => undefined);
    await dialogue?.[Symbol.asyncDispose]();
  }

  #share(sets: SetNames): Promise<readonly Conversation[]> {
    const current =
      this.#current.get(sets) ??
      this.#last.then(() => this.#read(sets)).finally(() => this.#current.delete(sets));
    this.#current.set(sets, current);
    this.#last = current.catch(() => undefined);
    return current;
  }

  async #read(sets: SetNames): Promise<readonly Conversation[]> {
    const program = await this.#open();
    const list = (set: string): Promise<string> =>
      // On one line nft 1.0.6 would find only the last of several sets.
      program.ask(`list set inet ${this.#tableName} ${set}`, { timeoutMs });
    try {
      return collectConversations([await list(sets[4]), await list(sets[6])]);
    } catch (error) {
      if (/No such file or directory/.test(stderrOf(error))) return [];
      throw error;
    }
  }

  async #open(): Promise<Dialogue> {
    const program = await this.#program?.catch(() => undefined);
    if (program !== undefined && !program.isOver && this.#readsLeft > 0) {
      this.#readsLeft -= 1;
      return program;
    }
    await program?.[Symbol.asyncDispose]();
    this.#readsLeft = readsPerProgram;
    this.#program = this.#runner.open('nft', ['-j', '-i'], openOptions);
    return this.#program;
  }
}
