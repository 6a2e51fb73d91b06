import type { CallOptions, OperatorClient } from '../api/client/operator-client.ts';
import {
  getMember,
  listMembers,
  type MemberSelection,
  type MemberView,
} from '../api/member-endpoints.ts';
import type { MasterName } from '../model/names.ts';
import { type Answer, askEach } from './master-answers.ts';
import type { SubsetView } from './subset-lookup.ts';

/** A member, and the master that its session is with, which is any that serves it. */
export interface SeenMember extends MemberView {
  readonly sessionWith?: MasterName;
}

type Roll = readonly MemberView[];

/** A subset's roll, page by page, in the order of names, as one master has it. */
export async function* membersOf(
  client: OperatorClient,
  { subset, state }: { readonly subset: string; readonly state: MemberSelection },
  options: CallOptions,
): AsyncGenerator<MemberView, void> {
  let after: string | undefined;
  do {
    const query = { state, limit: 1_000, ...(after === undefined ? {} : { after }) };
    const page = await client.call(listMembers, { params: { subset }, query }, options);
    yield* page.members;
    after = page.next;
  } while (after !== undefined);
}

/**
 * The roll, with every member's session, whichever master has it.
 * @param onAway told of each master that gave no answer, whose sessions are missing
 */
export async function sightings(
  client: OperatorClient,
  request: { readonly subset: SubsetView; readonly state: MemberSelection },
  onAway: (away: Extract<Answer<Roll>, { error: string }>) => void,
  signal: AbortSignal,
): Promise<readonly SeenMember[]> {
  const { subset, state } = request;
  const roll = { subset: subset.name, state };
  const answers = await askEach(servingMasters(subset), (master) =>
    Array.fromAsync(membersOf(client, roll, { master, signal })),
  );
  const rolls = answers.flatMap((answer) => ('reply' in answer ? [answer] : []));
  const [first, ...others] = rolls;
  // Whoever acts, or how it is said that nobody does, is the client's business.
  if (!first) return Array.fromAsync(membersOf(client, roll, { signal }));
  for (const answer of answers) if ('error' in answer) onAway(answer);
  const seen = new Map(first.reply.map((member) => [member.name, seenBy(first.name, member)]));
  for (const { name, reply } of others) {
    for (const member of reply) merge(seen, seenBy(name, member));
  }
  return [...seen.values()];
}

/** One member as each of its masters has it, in the order in which it uses them. */
export function sightingsOf(
  client: OperatorClient,
  { subset, name, order }: MemberView,
  signal: AbortSignal,
): Promise<readonly Answer<MemberView>[]> {
  return askEach(order, (master) =>
    client.call(getMember, { params: { subset, name } }, { master, signal }),
  );
}

/** The member with the session that it has, if it has one anywhere. */
export function mergeSightings(
  member: MemberView,
  answers: readonly Answer<MemberView>[],
): SeenMember {
  const {
    session: _session,
    tunnel: _tunnel,
    traffic: _traffic,
    measured: _measured,
    ...rest
  } = member;
  const seen = new Map([[member.name, rest as SeenMember]]);
  for (const answer of answers) {
    if ('reply' in answer) merge(seen, seenBy(answer.name, answer.reply));
  }
  return seen.get(member.name) ?? member;
}

export function servingMasters({ acting, home, backups }: SubsetView): readonly MasterName[] {
  return [...new Set([acting, home, ...backups])];
}

function seenBy(master: MasterName, member: MemberView): SeenMember {
  return member.session ? { ...member, sessionWith: master } : member;
}

/** The younger session wins: an older one is about to be found broken. */
function merge(seen: Map<string, SeenMember>, other: SeenMember): void {
  const known = seen.get(other.name);
  // A master that is a moment ahead or behind has one more or less; the first one's roll counts.
  if (!known) return;
  const isYounger = (other.session?.sinceMs ?? -1) > (known.session?.sinceMs ?? -1);
  const { session, sessionWith, tunnel, measured, traffic } = other;
  seen.set(other.name, {
    ...known,
    ...(isYounger && session && sessionWith ? { session, sessionWith } : {}),
    ...(isYounger && measured ? { measured } : {}),
    ...(tunnel && (isYounger || !known.tunnel) ? { tunnel } : {}),
    ...(traffic ? { traffic } : {}),
  });
}
