import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { type MasterName, parseMasterName, parseSubsetName } from '../../model/names.ts';
import type { ActingLease } from '../../model/records/roll.ts';
import { awaitOpportunity, type CandidateDependencies } from './lease-candidate.ts';
import type { SeenLease } from './roll-follower.ts';

const subset = parseSubsetName('hamburg');
const [elbe, trave, spree] = ['elbe', 'trave', 'spree'].map(parseMasterName) as [
  MasterName,
  MasterName,
  MasterName,
];

interface Situation {
  readonly held?: MasterName;
  readonly offered?: ActingLease['offered'];
  /** The directory's word; nobody has acted yet when absent. */
  readonly lastActing?: MasterName;
  readonly drained?: readonly MasterName[];
}

/** What one candidate sees of a subset whose home is elbe, with the backups trave and spree. */
class Candidate implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly #stop = new AbortController();
  readonly #waiting: Promise<void>;
  /** Of the lease that it was to take; undefined before. */
  takes: number | undefined;

  constructor(master: MasterName, situation: Situation) {
    this.#waiting = awaitOpportunity(
      { subset, master },
      { ...dependenciesOf(situation, this.clock), clock: this.clock },
      this.#stop.signal,
    ).then(
      ({ seenRevision }) => {
        this.takes = seenRevision;
      },
      () => undefined,
    );
  }

  /** Lets the time pass in steps, as its looks at the situation do. */
  async wait(durationMs: number): Promise<number | undefined> {
    for (let waitedMs = 0; waitedMs < durationMs; waitedMs += 10) {
      this.clock.advance(10);
      await turn();
    }
    return this.takes;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    return this.#waiting;
  }
}

function dependenciesOf(
  { held, offered, lastActing, drained = [] }: Situation,
  clock: ManualClock,
): Pick<CandidateDependencies, 'follower' | 'directory'> {
  const record = held && { version: 1 as const, master: held, sinceMs: 0, modRevision: 7 };
  const lease: SeenLease = {
    held: record && { ...record, ...(offered ? { offered } : {}) },
    sinceMonotonicMs: clock.monotonicMs(),
    sinceMs: clock.nowMs(),
  };
  return {
    follower: { lease, changed: (signal) => clock.sleep(10, signal).catch(() => undefined) },
    directory: {
      actings: { has: () => lastActing !== undefined },
      servingMasters: () => ({
        home: elbe,
        acting: lastActing ?? elbe,
        backups: [trave, spree],
        drained: new Set(drained),
      }),
    },
  };
}

const cases: readonly {
  readonly what: string;
  readonly master: MasterName;
  readonly situation: Situation;
  /** Undefined when it never takes it. */
  readonly afterMs: number | undefined;
}[] = [
  {
    what: 'the home master takes a free lease at once',
    master: elbe,
    situation: { lastActing: elbe },
    afterMs: 0,
  },
  {
    what: 'the first backup leaves the home master its turn',
    master: trave,
    situation: { lastActing: elbe },
    afterMs: 400,
  },
  {
    what: 'the second backup leaves both theirs',
    master: spree,
    situation: { lastActing: elbe },
    afterMs: 800,
  },
  {
    what: 'a home master whose subset went to a backup comes last',
    master: elbe,
    situation: { lastActing: trave },
    afterMs: 800,
  },
  {
    what: 'a master that is being emptied comes last',
    master: trave,
    situation: { lastActing: elbe, drained: [trave] },
    afterMs: 800,
  },
  {
    what: 'a backup gives the home master time to start for the first time',
    master: trave,
    situation: {},
    afterMs: 5_400,
  },
  {
    what: 'a lease that somebody else holds is left alone',
    master: trave,
    situation: { held: elbe, lastActing: elbe },
    afterMs: undefined,
  },
  {
    what: 'a master takes its own lease from before a restart at once',
    master: trave,
    situation: { held: trave, lastActing: elbe },
    afterMs: 0,
  },
  {
    what: 'an offer is taken at once',
    master: spree,
    situation: { held: spree, offered: { from: elbe, change: 'handed-over' }, lastActing: elbe },
    afterMs: 0,
  },
  {
    what: 'a master that does not serve the subset takes nothing',
    master: parseMasterName('oder'),
    situation: { lastActing: elbe },
    afterMs: undefined,
  },
];

for (const { what, master, situation, afterMs } of cases) {
  test(what, async () => {
    await using candidate = new Candidate(master, situation);
    if (afterMs === undefined) {
      assert.equal(await candidate.wait(20_000), undefined);
      return;
    }
    if (afterMs > 0) assert.equal(await candidate.wait(afterMs - 50), undefined, 'not too early');
    assert.equal(await candidate.wait(100), situation.held ? 7 : 0, 'and not too late');
  });
}
