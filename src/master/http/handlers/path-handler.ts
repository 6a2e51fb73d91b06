import type {
  IntroductionRequest,
  MemberPaths,
  MemberPresence,
} from '../../../api/path-endpoints.ts';
import type { Identity, MasterName, MemberName } from '../../../model/names.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { DistantPairs } from '../../introductions/distant-pairs.ts';
import type { Seeking } from '../../introductions/seeking.ts';
import { MasterError } from '../../master-error.ts';
import type { SessionHub } from '../../session/session-hub.ts';
import type { ServedSubset } from '../../subset/served-subset.ts';
import { noSuchMember } from '../../subset/subset-state.ts';

export interface PathHandlerDependencies {
  readonly master: MasterName;
  readonly hub: SessionHub;
  readonly clock: Clock;
}

/** A member that is busy is not waited for any longer. */
const reportTimeoutMs = 2_000;

/** Asks a member which ways its packets take. @throws MasterError `no-such-member`, `not-connected` */
export async function describePaths(
  { subset, roll }: ServedSubset,
  name: MemberName,
  { master, hub, clock }: PathHandlerDependencies,
): Promise<MemberPaths> {
  if (!roll.findActive(name)) throw noSuchMember(name, subset);
  const session = hub.find(subset, name);
  if (!session) throw notConnected(name, master);
  const { direct } = session;
  if (!direct.contact) return { master, takesDirectPaths: false, direct: [], isFresh: true };
  const answered = direct.nextReport().then(() => true);
  session.send({ type: 'report-paths' });
  const isFresh = await Promise.race([answered, clock.sleep(reportTimeoutMs).then(() => false)]);
  return { master, takesDirectPaths: true, direct: [...direct.paths], isFresh };
}

/**
 * Has a member of the master that asks introduced to the one at the address: for a direct path where it
 * is said how it is reached for that, else for a sealed tunnel.
 * @throws MasterError `not-permitted`; as `DistantPairs.answer` and `Seeking.introduce`
 */
export async function answerIntroduction(
  served: ServedSubset,
  request: IntroductionRequest,
  caller: Identity,
  { seeking, distantPairs }: { readonly seeking: Seeking; readonly distantPairs: DistantPairs },
): Promise<MemberPresence> {
  if (caller.kind !== 'master') {
    throw new MasterError('only masters have members introduced', { code: 'not-permitted' });
  }
  return request.member.direct === undefined
    ? await seeking.introduce(served, request, caller.name)
    : await distantPairs.answer(served, request, caller.name);
}

function notConnected(name: MemberName, master: MasterName): MasterError {
  return new MasterError(`${name} has no session with ${master}, which could ask it`, {
    code: 'not-connected',
    fields: { member: name },
  });
}
