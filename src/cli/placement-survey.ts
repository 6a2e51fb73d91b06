import type { OperatorClient } from '../api/client/operator-client.ts';
import type { DirectoryView } from '../api/directory-endpoints.ts';
import { listMembers } from '../api/member-endpoints.ts';
import type { MasterName, SubsetName } from '../model/names.ts';
import { type Answer, askEach } from './master-answers.ts';
import { lookUpMember } from './member-reference.ts';
import { type SeenMember, sightings } from './member-sightings.ts';
import { type SubsetView, subsetsToList } from './subset-lookup.ts';

/** Each is a connection of its own; masters have members to serve meanwhile. */
const membersAtOnce = 16;

type Away = Extract<Answer<unknown, MasterName | SubsetName>, { error: string }>;

export interface PlacementSurvey {
  readonly directory: DirectoryView;
  /** Whoever has a place, each with its measurements where it has any; the suspended have none. */
  readonly members: readonly SeenMember[];
  /** Subsets that no master gave the roll of. */
  readonly missing: readonly SubsetName[];
}

/**
 * All members and what they have measured: one request for each that has a session.
 * @param onAway told of each master and subset that gave no answer
 * @param only the subset whose members are wanted; all unless said. @throws CliError `unknown-subset`
 */
export async function surveyPlacement(
  client: OperatorClient,
  onAway: (away: Away) => void,
  signal: AbortSignal,
  only?: string,
): Promise<PlacementSurvey> {
  const directory = await client.directory(signal);
  const members: SeenMember[] = [];
  const missing: SubsetName[] = [];
  for (const subset of subsetsToList(directory, only)) {
    const [roll] = await askEach([subset.name], () =>
      sightings(client, { subset, state: 'current' }, onAway, signal),
    );
    if (roll && 'reply' in roll) members.push(...(await measure(client, roll.reply, signal)));
    else if (roll) {
      missing.push(subset.name);
      onAway(roll);
    }
  }
  return { directory, members, missing };
}

/** The members that are still there, with their measurements. */
async function measure(
  client: OperatorClient,
  roll: readonly SeenMember[],
  signal: AbortSignal,
): Promise<readonly SeenMember[]> {
  const members: SeenMember[] = [];
  for (let start = 0; start < roll.length; start += membersAtOnce) {
    const some = roll.slice(start, start + membersAtOnce);
    const measured = await Promise.all(some.map((member) => addMeasured(client, member, signal)));
    members.push(...measured.filter((member) => member !== undefined));
  }
  return members;
}

/** Undefined for a member that has gone; without measurements when its master gives no answer. */
async function addMeasured(
  client: OperatorClient,
  member: SeenMember,
  signal: AbortSignal,
): Promise<SeenMember | undefined> {
  const { sessionWith } = member;
  if (sessionWith === undefined) return member;
  const [answer] = await askEach([sessionWith], (master) =>
    lookUpMember(client, member, { master, signal }),
  );
  if (!answer || 'error' in answer) return member;
  const { reply } = answer;
  return reply && { ...member, ...(reply.measured ? { measured: reply.measured } : {}) };
}

/** How many members count as each subset's against capacities. @throws as the client, when any subset cannot be asked */
export async function countMembers(
  client: OperatorClient,
  subsets: readonly SubsetView[],
  signal: AbortSignal,
): Promise<ReadonlyMap<SubsetName, number>> {
  const counts = await Promise.all(
    subsets.map(async ({ name: subset }) => {
      const page = await client.call(
        listMembers,
        { params: { subset }, query: { limit: 1 } },
        { signal },
      );
      return [subset, page.counted ?? page.total] as const;
    }),
  );
  return new Map(counts);
}
