import type { OperatorClient } from '../../api/client/operator-client.ts';
import type { DirectoryView } from '../../api/directory-endpoints.ts';
import { getKeyStatus, type KeyStatus } from '../../api/key-endpoints.ts';
import type { SubsetName } from '../../model/names.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import { askKeys, type KeyAnswer } from '../key-polling.ts';
import { asOperator } from '../operator-session.ts';
import { formatRelative } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { listNames } from '../output/name-list.ts';
import { type Column, formatTable, printable } from '../output/table.ts';
import { requireSubset } from '../subset-lookup.ts';

/** The keys of all subsets, or of one; then its master has to answer. */
export function keyStatusAction(
  only: string | undefined,
  options: OperatorOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const directory = await client.directory(signal);
    const answers =
      only === undefined
        ? await askKeys({ client, subsets: directory.subsets.map(({ name }) => name), signal })
        : [await askOne(client, requireSubset(directory, only).name, signal)];
    if (options.json) {
      const { backboneKey } = directory;
      writeJson(terminal.out, { backboneKey, subsets: answers.map(documentOf) });
    } else terminal.out.write(describe(answers, directory, Date.now()));
    return undefined;
  });
}

async function askOne(
  client: OperatorClient,
  name: SubsetName,
  signal: AbortSignal,
): Promise<KeyAnswer> {
  const reply = await client.call(getKeyStatus, { params: { subset: name } }, { signal });
  return { name, reply };
}

function documentOf(answer: KeyAnswer) {
  return 'reply' in answer ? answer.reply : { subset: answer.name, error: answer.error };
}

function describe(
  answers: readonly KeyAnswer[],
  { backboneKey }: DirectoryView,
  nowMs: number,
): string {
  const lines = answers.flatMap((answer) =>
    'reply' in answer ? pendingLines(answer.reply) : [noAnswer(answer)],
  );
  if (backboneKey) {
    const made = formatRelative(backboneKey.createdAtMs, nowMs);
    lines.push(`the key among masters is of epoch ${backboneKey.epoch}, made ${made}`);
  }
  return `${formatTable(columns(nowMs), answers)}${lines.map((line) => `${line}\n`).join('')}`;
}

function noAnswer({ name, error }: Extract<KeyAnswer, { error: string }>): string {
  return `the master of ${name} gave no answer: ${printable(error)}`;
}

/** Who has not confirmed it: what one can hurry, and what only waits to come back. */
function pendingLines(status: KeyStatus): readonly string[] {
  const { subset, master, pending } = status;
  const namesOf = (isConnected: boolean) =>
    pending.filter(({ connected }) => connected === isConnected).map(({ member }) => member);
  const [late, away] = [namesOf(true), namesOf(false)];
  return [
    ...(late.length > 0
      ? [`${subset}: connected to ${master}, not confirmed yet: ${listNames(late)}`]
      : []),
    ...(away.length > 0
      ? [`${subset}: not connected to ${master}, not confirmed yet: ${listNames(away)}`]
      : []),
    ...unprovedLines(status),
  ];
}

/** Why others do not believe members, or may not after a failover; of no interest where keys are the subsets' own. */
function unprovedLines(status: KeyStatus): readonly string[] {
  const { subset, shared, unboundMasters = [], unprovedMembers = [] } = status;
  if (!shared) return [];
  return [
    ...unboundMasters.map(
      (name) =>
        `${subset}: the certificates of ${name} do not bind all its addresses: "hanse master renew ${name}", then restart ${name}`,
    ),
    ...(unprovedMembers.length > 0
      ? [
          `${subset}: their certificates do not prove their addresses: ${listNames(unprovedMembers)}`,
        ]
      : []),
  ];
}

function columns(nowMs: number): readonly Column<KeyAnswer>[] {
  const cell = (of: (status: KeyStatus) => string) => (answer: KeyAnswer) =>
    'reply' in answer ? of(answer.reply) : '-';
  return [
    { heading: 'SUBSET', cell: ({ name }) => name },
    { heading: 'MASTER', cell: cell(({ master }) => master) },
    { heading: 'EPOCH', cell: cell(({ epoch }) => String(epoch)), align: 'right' },
    { heading: 'MADE', cell: cell(({ createdAtMs }) => formatRelative(createdAtMs, nowMs)) },
    { heading: 'NEXT', cell: cell(({ rotatesAtMs }) => describeNext(rotatesAtMs, nowMs)) },
    { heading: 'MEMBERS', cell: cell(({ members }) => String(members)), align: 'right' },
    {
      heading: 'CONFIRMED',
      cell: cell(({ members, pending }) => String(members - pending.length)),
      align: 'right',
    },
  ];
}

/** Masters look every few seconds whether it is time. */
function describeNext(atMs: number, nowMs: number): string {
  return atMs <= nowMs ? 'now' : formatRelative(atMs, nowMs);
}
