import type { MemberName } from '../../src/model/names.ts';
import type { Address } from '../../src/model/prefix.ts';
import type { VpnBed } from '../bed/vpn-bed.ts';
import { Crowd } from './crowd.ts';

export interface JoinedCrowdOptions {
  readonly bed: VpnBed;
  readonly master: string;
  readonly subset: string;
  readonly count: number;
  /** How many processes share them. */
  readonly processes: number;
  /** As `PrepareOptions` has it. */
  readonly comeBack?: boolean;
  /** As `PrepareOptions` has it. */
  readonly takesDirect?: boolean;
}

export interface JoinedCrowd {
  readonly crowds: readonly Crowd[];
  /** Who has joined and is connected. */
  readonly names: readonly MemberName[];
  /** Theirs in the VPN, in the same order. */
  readonly addresses: readonly Address[];
  /** How often the master asked somebody to come back later. */
  readonly retries: number;
}

/** What a master takes well; more only makes each wait longer. */
const inFlight = 32;

/** Starts crowds whose members have really joined and stay connected. The stack ends them. */
export async function joinCrowd(
  options: JoinedCrowdOptions,
  stack: AsyncDisposableStack,
): Promise<JoinedCrowd> {
  const { bed, master, subset, count, processes, comeBack = false, takesDirect = false } = options;
  const crowds = Array.from({ length: processes }, () => stack.use(new Crowd()));
  const token = await bed.createInvite(subset, count);
  const each = Math.ceil(count / processes);
  const reports = await Promise.all(
    crowds.map(async (crowd, index) => {
      const own = Math.min(each, count - index * each);
      await crowd.prepare({ bed, masters: [master], count: own, comeBack, takesDirect });
      return crowd.join({ token, count: own, inFlight, stay: true });
    }),
  );
  return {
    crowds,
    names: reports.flatMap(({ names }) => names),
    addresses: reports.flatMap(({ addresses }) => addresses),
    retries: reports.reduce((sum, report) => sum + report.retries, 0),
  };
}
