import { ApiError } from '../api/client/client-error.ts';
import type { CallOptions, OperatorClient } from '../api/client/operator-client.ts';
import { getMember, type MemberView } from '../api/member-endpoints.ts';
import { parseMemberName, parseSubsetName } from '../model/names.ts';
import { CliError } from './cli-error.ts';

/** One member of one subset, as a person names it: `NAME.SUBSET`. */
export interface MemberReference {
  readonly name: string;
  readonly subset: string;
}

/** @throws InvalidInputError when either part is not a name; CliError when only one subset could tell */
export function parseFullReference(text: string): MemberReference | undefined {
  const [name = '', subset, ...rest] = text.split('.');
  if (subset === undefined) {
    parseMemberName(name);
    return undefined;
  }
  return { name: parseMemberName(name), subset: parseSubsetName([subset, ...rest].join('.')) };
}

/**
 * The member that is meant. A name without its subset is looked for in every subset; one that has
 * moved is where it has moved to.
 * @throws CliError `no-such-member`, `several-members`; ApiError; ClientError
 */
export async function findMember(
  client: OperatorClient,
  text: string,
  signal: AbortSignal,
): Promise<MemberView> {
  const reference = parseFullReference(text);
  if (reference) return client.call(getMember, { params: { ...reference } }, { signal });
  const found: MemberView[] = [];
  for (const { name: subset } of (await client.directory(signal)).subsets) {
    const member = await lookUpMember(client, { name: text, subset }, { signal });
    if (member) found.push(member);
  }
  const [only, ...others] = withoutMoved(found);
  if (only && others.length === 0) return only;
  throw only ? severalMembers(text, found) : noSuchMember(text);
}

/** Without what has moved to another one that was found. */
function withoutMoved(found: readonly MemberView[]): readonly MemberView[] {
  const isCurrent =
    ({ subset, state }: MemberView) =>
    (other: MemberView) =>
      other.movedTo?.subset === subset && state === 'active';
  const superseded = new Set(found.flatMap((member) => found.filter(isCurrent(member))));
  return found.filter((member) => !superseded.has(member));
}

/** Undefined when the subset has no such member. @throws ApiError; ClientError */
export async function lookUpMember(
  client: OperatorClient,
  { name, subset }: MemberReference,
  options: CallOptions,
): Promise<MemberView | undefined> {
  try {
    return await client.call(getMember, { params: { name, subset } }, options);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

function severalMembers(name: string, found: readonly MemberView[]): CliError {
  const names = found.map(({ subset }) => `${name}.${subset}`);
  return new CliError(`several subsets have a member ${name}: say which of ${names.join(', ')}`, {
    code: 'several-members',
    fields: { name },
  });
}

function noSuchMember(name: string): CliError {
  return new CliError(`no subset has a member ${name}; \`hanse member list\` shows them all`, {
    code: 'no-such-member',
    fields: { name },
  });
}
