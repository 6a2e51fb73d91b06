import { randomUUID } from 'node:crypto';
import { ApiError } from '../api/client/client-error.ts';
import type { OperatorClient } from '../api/client/operator-client.ts';
import { type InviteView, listInvites, revokeInvite } from '../api/invite-endpoints.ts';
import { createPlacedInvite } from '../api/placing-endpoints.ts';
import { compareNames } from '../core/placement/compare-names.ts';
import { InvalidInputError } from '../model/error.ts';
import type { SubsetName } from '../model/names.ts';
import { maxCandidateSubsets } from '../model/records/roll.ts';
import { CliError } from './cli-error.ts';
import { type Answer, askEach } from './master-answers.ts';
import type { SubsetView } from './subset-lookup.ts';

/** What an invite that placement decides is to be. */
export interface PlacedInviteRequest {
  readonly uses: number;
  readonly lifetimeMs: number;
  readonly memberName?: string;
  /** Where newcomers may be placed. */
  readonly candidates: readonly SubsetView[];
  /** The first of the candidates that can be it unless said. */
  readonly home?: SubsetView;
}

export type SubsetAway = Extract<Answer<unknown, SubsetName>, { error: string }>;

export interface CreatedPlacedInvite {
  readonly id: string;
  readonly token: string;
  readonly uses: number;
  readonly expiresAtMs: number;
  readonly home: SubsetName;
  readonly candidates: readonly SubsetName[];
  /** Candidates that it does not lead to, and why. */
  readonly leftOut: readonly SubsetAway[];
}

/**
 * Makes the same invite in every candidate, and at its home last: only then is there a token, and it
 * leads to none but those that have the invite. Until then nobody can use what is there. Where nobody
 * says which is to be the home, it is the first that turns out to be able to.
 * @throws CliError `no-candidate` when no master answers, or that of the home which was named;
 *   InvalidInputError; as the client
 */
export async function createPlaced(
  client: OperatorClient,
  { candidates: wanted, home: named, ...request }: PlacedInviteRequest,
  signal: AbortSignal,
): Promise<CreatedPlacedInvite> {
  const names = wanted.map(({ name }) => name).toSorted(compareNames);
  if (names.length > maxCandidateSubsets) throw tooMany(names.length);
  const { here, away } = await findAnswering(client, names, signal);
  const leftOut = [...away];
  for (let left = here; ; ) {
    const home = named?.name ?? left[0];
    if (home === undefined || left.length === 0) throw nobodyAnswers(leftOut);
    const { created, failed } = await makeEverywhere(
      client,
      { ...request, home, candidates: left },
      signal,
    );
    leftOut.push(...failed);
    left = left.filter((name) => !failed.some((one) => one.name === name));
    if (created) return { ...created, home, candidates: left, leftOut };
    if (named && left.length > 0) throw noHome(named.name, leftOut);
  }
}

type WantedParts = Omit<PlacedInviteRequest, 'candidates' | 'home'> & {
  readonly home: SubsetName;
  readonly candidates: readonly SubsetName[];
};

/** Nothing stays when there is no invite at home. */
async function makeEverywhere(
  client: OperatorClient,
  { candidates, ...request }: WantedParts,
  signal: AbortSignal,
) {
  const id = randomUUID();
  const make = async (subsets: readonly SubsetName[], among: readonly SubsetName[]) => {
    const body = { ...request, id, candidates: [...among] };
    const parts = await askEach(subsets, (subset) =>
      sayOlder(client.call(createPlacedInvite, { params: { subset }, body }, { signal })),
    );
    const failed = parts.filter((part) => 'error' in part);
    return { made: parts.filter((part) => 'reply' in part), failed };
  };
  const { home } = request;
  const elsewhere = candidates.filter((name) => name !== home);
  const parts = await make(elsewhere, candidates);
  const left = candidates.filter((name) => !parts.failed.some((one) => one.name === name));
  const last = left.length > 0 ? await make([home], left) : undefined;
  const failed = [...parts.failed, ...(last?.failed ?? [])];
  const [atHome] = last?.made ?? [];
  if (atHome) return { created: { ...atHome.reply, token: atHome.reply.token ?? '' }, failed };
  // What cannot be revoked is of no use to anybody, and ends with its time.
  const made = parts.made.map(({ name }) => name);
  await askEach(made, (subset) =>
    client.call(revokeInvite, { params: { subset, id } }, { signal }),
  );
  return { failed };
}

/** Which subsets have a master that acts and answers. */
async function findAnswering(
  client: OperatorClient,
  names: readonly SubsetName[],
  signal: AbortSignal,
): Promise<{ readonly here: readonly SubsetName[]; readonly away: readonly SubsetAway[] }> {
  const answers = await askEach(names, (subset) =>
    client.call(listInvites, { params: { subset } }, { signal }),
  );
  const away = answers.filter((answer) => 'error' in answer);
  return { here: answers.flatMap((answer) => ('reply' in answer ? [answer.name] : [])), away };
}

/** A master that does not know the request is as good as one that is away. */
async function sayOlder<Reply>(asked: Promise<Reply>): Promise<Reply> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'no-such-endpoint') throw error;
    const message = 'its master runs a version of Hanse that places nobody';
    throw new CliError(message, { code: 'no-candidate', retryable: true, cause: error });
  }
}

/** An invite, and the subset that has it. */
export interface InviteOfSubset extends InviteView {
  readonly subset: SubsetName;
}

/** The invites of several subsets. @param onAway told of each subset that gave no answer */
export async function invitesOf(
  client: OperatorClient,
  subsets: readonly SubsetView[],
  onAway: (away: SubsetAway) => void,
  signal: AbortSignal,
): Promise<readonly InviteOfSubset[]> {
  const names = subsets.map(({ name }) => name);
  const answers = await askEach(names, (subset) =>
    client.call(listInvites, { params: { subset } }, { signal }),
  );
  return answers.flatMap((answer) => {
    if ('reply' in answer) {
      return answer.reply.invites.map((invite) => ({ ...invite, subset: answer.name }));
    }
    onAway(answer);
    return [];
  });
}

/**
 * Revokes all parts of an invite, that of its home first: from then on it places nobody.
 * @returns where it was
 */
export async function revokeEverywhere(
  client: OperatorClient,
  parts: readonly InviteOfSubset[],
  signal: AbortSignal,
): Promise<readonly SubsetName[]> {
  const isAtHome = ({ subset, placedBy }: InviteOfSubset): boolean => subset === placedBy;
  const inOrder = [...parts.filter(isAtHome), ...parts.filter((part) => !isAtHome(part))];
  for (const { subset, id } of inOrder) {
    await client.call(revokeInvite, { params: { subset, id } }, { signal });
  }
  return inOrder.map(({ subset }) => subset);
}

function tooMany(count: number): InvalidInputError {
  return new InvalidInputError(
    `an invite can lead to ${maxCandidateSubsets} subsets, and there are ${count}: name some with --subset`,
    { option: '--subset' },
  );
}

function noHome(home: SubsetName, away: readonly SubsetAway[]): CliError {
  const reason = away.find(({ name }) => name === home)?.error;
  return new CliError(`${home} cannot be the home subset of the invite: ${reason}`, {
    code: 'no-candidate',
    retryable: true,
  });
}

function nobodyAnswers(away: readonly SubsetAway[]): CliError {
  const reasons = away.map(({ name, error }) => `${name}: ${error}`).join('; ');
  return new CliError(`no subset can be invited to; ${reasons || 'the VPN has none'}`, {
    code: 'no-candidate',
    retryable: true,
  });
}
