import type { KeyingMode, KeyingPhase } from '../../model/records/directory.ts';
import type { KeyAnswer } from '../key-polling.ts';
import { paint, type Terminal } from '../terminal.ts';
import { writeJsonLine } from './json.ts';
import { describeLacking } from './key-lacking.ts';
import { listNames } from './name-list.ts';
import { ProgressLine } from './progress-line.ts';

/** What each phase means for who can read what. */
export const keyingMeaning: Readonly<Record<KeyingPhase, string>> = {
  'per-subset':
    'each subset has a key of its own; masters open and seal again what members send each other through them, and can read it; direct paths are sealed from member to member',
  changing:
    'all subsets have one key; what goes through masters openly can still be read by them, until every member seals it',
  shared:
    'all subsets have one key; whatever members send each other is sealed from member to member, and no master can read it',
};

/** Tells a person, or a program line by line, how a change of the keying mode goes. */
export class KeyingReport {
  readonly #terminal: Terminal;
  readonly #isJson: boolean;
  readonly #progress: ProgressLine;
  #lacking: readonly string[] = [];

  constructor(terminal: Terminal, isJson: boolean) {
    this.#terminal = terminal;
    this.#isJson = isJson;
    this.#progress = new ProgressLine(terminal.err);
  }

  step(phase: KeyingPhase): void {
    this.#progress.end();
    if (this.#isJson) writeJsonLine(this.#terminal.out, { type: 'step', phase });
    else this.#terminal.out.write(`${phase}: ${keyingMeaning[phase]}\n`);
  }

  /** @param leastEpoch of the key that all subsets are to have */
  waiting(answers: readonly KeyAnswer[], wanted: KeyingMode, leastEpoch: number): void {
    this.#lacking = answers.flatMap((answer) => [
      ...describeLacking(answer, leastEpoch),
      ...(wanted === 'shared' ? describeUnproved(answer) : []),
    ]);
    this.#progress.show(`waiting for ${this.#lacking.length} of ${answers.length} subsets`);
  }

  finish(vpn: string, mode: KeyingMode, isThere: boolean): void {
    this.#progress.end();
    if (this.#isJson) {
      writeJsonLine(this.#terminal.out, { type: 'finished', isThere, lacking: this.#lacking });
      return;
    }
    const { out, err } = this.#terminal;
    if (isThere) out.write(`the keying of ${vpn} is ${mode}\n`);
    else {
      const warning = paint(err, 'yellow', `${vpn} is still on its way to ${mode}`);
      err.write(
        `${warning}: everything goes on meanwhile; the same command takes it up again\n` +
          this.#lacking.map((line) => `  ${line}\n`).join(''),
      );
    }
  }
}

function describeUnproved(answer: KeyAnswer): readonly string[] {
  const { subset, unprovedMembers = [] } = 'reply' in answer ? answer.reply : {};
  if (unprovedMembers.length === 0) return [];
  return [
    `${subset}: their certificates do not prove their addresses yet: ${listNames(unprovedMembers)}`,
  ];
}
