import { z } from 'zod';
import type { SourceState } from '../../model/host-state.ts';
import {
  type Address,
  addressSchema,
  type Family,
  familyOf,
  hostPrefix,
} from '../../model/prefix.ts';
import type { Log } from '../../runtime/log.ts';
import { HostError } from '../host-error.ts';
import type { Runner } from '../runner.ts';
import { readIpJson } from './ip-json.ts';
import { routeProtocol } from './routes.ts';

/*
 * Routing tables of our own, and the rules that send to them what comes from some addresses of this
 * node. All rules have one priority, and each owner a range of table numbers: so they are told from
 * everybody else's, and from those of another daemon on this machine.
 */

/** Before the main table (32766), which has everybody's default route, and after all that is more special than we are. */
const rulePriority = 10_104;

/** Where the numbers of our tables begin: far from those that people and other programs give. */
const tablesStart = 0x6800_0000;
/** A node is in so many subsets at most, and a few on top of that. */
const tablesOfOwner = 128;

/** Which table decides on the packets from an address. */
export type SourceRules = ReadonlyMap<Address, number>;

/** @param ownerNumber of the daemon: 0 to 2^18 - 1 */
export function tableRange(ownerNumber: number): { readonly first: number; readonly last: number } {
  const first = tablesStart + ownerNumber * tablesOfOwner;
  return { first, last: first + tablesOfOwner - 1 };
}

const ruleSchema = z.object({
  priority: z.number(),
  src: z.string(),
  table: z.string().optional(),
  protocol: z.string().optional(),
});

/**
 * All rules of one family, whoever has made them.
 * @throws HostError `command-failed` where the kernel has no policy routing
 */
export function readRules(
  runner: Runner,
  family: Family,
): Promise<readonly z.infer<typeof ruleSchema>[]> {
  return readIpJson(runner, [`-${family}`, 'rule', 'show'], ruleSchema);
}

/** The owner's rules; undefined where the kernel has no policy routing. */
export async function readSourceRules(
  ownerNumber: number,
  { runner, log }: { readonly runner: Runner; readonly log: Log },
): Promise<SourceRules | undefined> {
  const { first, last } = tableRange(ownerNumber);
  let found: z.infer<typeof ruleSchema>[];
  try {
    found = (await Promise.all([readRules(runner, 4), readRules(runner, 6)])).flat();
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== 'command-failed') throw error;
    log.warn({ error }, 'no policy routing here: members of several subsets send by the first');
    return undefined;
  }
  const rules = found.flatMap(({ priority, src, table, protocol }) => {
    const from = addressSchema.safeParse(src).data;
    const number = Number(table);
    const isOurs = priority === rulePriority && protocol === String(routeProtocol);
    return from && isOurs && number >= first && number <= last ? [[from, number] as const] : [];
  });
  return new Map(rules);
}

/**
 * Gives each source its table: the one that it has, or one that nobody has.
 * @throws HostError `contradiction` for more sources than an owner has tables
 */
export function assignTables(
  sources: readonly SourceState[],
  current: SourceRules,
  ownerNumber: number,
): ReadonlyMap<SourceState, number> {
  const { first, last } = tableRange(ownerNumber);
  const assigned = new Map<SourceState, number>();
  const taken = new Set(current.values());
  const used = new Set<number>();
  for (const source of sources) {
    const had = source.addresses.flatMap((address) => current.get(address) ?? []);
    let table = had.find((number) => !used.has(number));
    for (let next = first; table === undefined && next <= last; next += 1) {
      if (!taken.has(next) && !used.has(next)) table = next;
    }
    if (table === undefined) throw tooManySources(sources.length);
    used.add(table);
    assigned.set(source, table);
  }
  return assigned;
}

function tooManySources(count: number): HostError {
  return new HostError(
    `${count} memberships are to have routing tables of their own, ${tablesOfOwner} can`,
    { code: 'contradiction', fields: { sources: count } },
  );
}

export function sourceRulesOf(tables: ReadonlyMap<SourceState, number>): SourceRules {
  return new Map(
    [...tables].flatMap(([{ addresses }, table]) =>
      addresses.map((from) => [from, table] as const),
    ),
  );
}

/** Lines for `ip -batch`, by family: `ip rule` does not see it in an address. */
export interface RuleChanges {
  /** Once the tables are filled. */
  readonly added: ReadonlyMap<Family, readonly string[]>;
  /** Before the tables are emptied. */
  readonly ended: ReadonlyMap<Family, readonly string[]>;
}

export function planRuleChanges(current: SourceRules, wanted: SourceRules): RuleChanges {
  const missing = (from: SourceRules, to: SourceRules) =>
    [...to].filter(([address, table]) => from.get(address) !== table);
  return {
    added: linesOf('add', missing(current, wanted)),
    ended: linesOf('delete', missing(wanted, current)),
  };
}

function linesOf(
  verb: 'add' | 'delete',
  rules: readonly (readonly [Address, number])[],
): ReadonlyMap<Family, readonly string[]> {
  const line = ([from, table]: readonly [Address, number]) =>
    `rule ${verb} from ${hostPrefix(from)} lookup ${table} priority ${rulePriority} protocol ${routeProtocol}`;
  const byFamily = Map.groupBy(rules, ([from]) => familyOf(from));
  return new Map([...byFamily].map(([family, ofFamily]) => [family, ofFamily.map(line)]));
}
