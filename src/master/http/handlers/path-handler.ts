import type { MemberPaths } from '../../../api/path-endpoints.ts';
import type { MasterName, MemberName } from '../../../model/names.ts';
import type { Clock } from '../../../runtime/clock.ts';
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

function notConnected(name: MemberName, master: MasterName): MasterError {
  return new MasterError(`${name} has no session with ${master}, which could ask it`, {
    code: 'not-connected',
    fields: { member: name },
  });
}
