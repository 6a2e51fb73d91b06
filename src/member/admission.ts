import { HostError } from '../host/host-error.ts';
import type { HostKeeper } from './host-keeper.ts';
import { type JoinDependencies, type Joined, type JoinOptions, joinUntilAnswered } from './join.ts';
import { MemberError } from './member-error.ts';
import type { MemberHost } from './member-host.ts';
import type { MembershipFiles } from './membership-files.ts';
import { cautiousMtuBytes } from './path-endpoints.ts';

export interface AdmissionOptions extends Omit<JoinOptions, 'membership'> {
  readonly files: MembershipFiles;
  readonly interfaceName: string;
}

export interface AdmissionDependencies extends JoinDependencies {
  readonly host: Promise<MemberHost>;
  readonly hostKeeper: HostKeeper;
}

/**
 * Brings a pending join, which is on the disk, to a membership, which is on the disk when this
 * resolves. The interface is made meanwhile: that takes as long as the master's answer.
 *
 * When it fails, the join stays pending, and the same call answers the same, unless it has failed for
 * good (`isFinal`): then the caller has to drop it.
 * @throws MemberError `join-refused`, `untrusted-master`; HostError `overlap`
 */
export async function obtainAdmission(
  options: AdmissionOptions,
  dependencies: AdmissionDependencies,
  signal: AbortSignal,
): Promise<Joined> {
  const { files, pending, interfaceName } = options;
  const { hostKeeper } = dependencies;
  const early = hostKeeper.set(files.name, pending.startedAtMs, {
    privateKey: pending.keys.acting.privateKey,
    paths: [{ interfaceName, mtuBytes: cautiousMtuBytes }],
  });
  // The next apply meets the same failure, and tells it.
  early.catch(() => {});
  const joined = await joinUntilAnswered(
    { ...options, membership: files.name },
    dependencies,
    signal,
  );
  await refuseOverlap(joined, dependencies);
  await files.writeAdmitted(joined.state);
  return joined;
}

/** Gives the place back when this host cannot take it. @throws HostError `overlap` */
async function refuseOverlap(
  { state, session }: Joined,
  { host }: AdmissionDependencies,
): Promise<void> {
  try {
    await (await host).assertNoOverlap(state.place.vpn.prefixes);
  } catch (error) {
    session.connection.send({ type: 'leave' });
    await session.connection[Symbol.asyncDispose]();
    throw error;
  }
}

const finalCodes = new Set<string>([
  ...['join-refused', 'untrusted-master', 'already-member', 'other-vpn'],
]);

/** Whether the same join would fail again, so that nothing of it is to stay. */
export function isFinal(error: unknown): boolean {
  if (error instanceof HostError) return error.code === 'overlap';
  return error instanceof MemberError && finalCodes.has(error.code);
}
