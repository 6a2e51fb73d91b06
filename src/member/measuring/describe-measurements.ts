import type { MeasurementsReply, MembershipMeasurements } from '../../api/member-measurements.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { MemberEntry } from '../member-entry.ts';
import type { Measurer } from './measurer.ts';

type Entries = ReadonlyMap<string, MemberEntry>;

/** What `hanse measure` shows: of every membership that runs. */
export function describeMeasurements(entries: Entries, clock: Clock): MeasurementsReply {
  return {
    memberships: running(entries).map(([membership, measurer]) =>
      describe(membership, measurer, clock),
    ),
  };
}

/** Measures all masters of all memberships that run. */
export async function measureAll(entries: Entries): Promise<void> {
  await Promise.all(running(entries).map(([, measurer]) => measurer.measureNow()));
}

function running(entries: Entries): readonly (readonly [string, Measurer])[] {
  return [...entries].flatMap(([name, entry]) =>
    entry.kind === 'running' ? [[name, entry.loop.membership.measurer] as const] : [],
  );
}

function describe(membership: string, measurer: Measurer, clock: Clock): MembershipMeasurements {
  const { masters, lastRoundMs, nextRoundMs, leftBytes, isLimited } = measurer.status;
  const nowMs = clock.monotonicMs();
  const wall = (monotonicMs: number) => Math.round(clock.nowMs() + monotonicMs - nowMs);
  return {
    membership,
    masters: masters.map((master) => ({
      ...master.report(nowMs),
      endpoint: master.candidate.control,
      ...(master.problem === undefined ? {} : { problem: master.problem }),
    })),
    ...(lastRoundMs === undefined ? {} : { lastRoundAtMs: wall(lastRoundMs) }),
    ...(nextRoundMs === undefined ? {} : { nextRoundAtMs: wall(nextRoundMs) }),
    leftBytes: Math.floor(leftBytes),
    isLimited,
  };
}
