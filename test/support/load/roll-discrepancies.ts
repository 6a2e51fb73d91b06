import type { AcknowledgedChanges } from './membership-load.ts';
import type { StoredRoll } from './stored-roll.ts';

/** Changes that clients were told are done and that the store knows nothing of, a sentence each. */
export function lostChanges(changes: AcknowledgedChanges, roll: StoredRoll): readonly string[] {
  const times = auditedTimes(roll);
  const unaudited = auditLinesOf(changes).filter((line) => !times.has(line));
  const missing = [...changes.joined.values()].flatMap(({ name, ipv4, ipv6 }) => {
    const record = roll.members.get(name);
    if (!record) return [`${name} joined and is not in the roll`];
    if (record.ipv4 !== ipv4 || record.ipv6 !== ipv6)
      return [`${name} joined as ${ipv4} and ${ipv6}, and is ${record.ipv4} and ${record.ipv6}`];
    const state = changes.evicted.has(name) ? 'evicted' : 'active';
    return record.state === state ? [] : [`${name} should be ${state} and is ${record.state}`];
  });
  return [...missing, ...unaudited.map((line) => `the audit log lacks: ${line}`)];
}

/** Changes that were made twice, addresses and uses of invites that were given twice, a sentence each. */
export function doubledChanges(changes: AcknowledgedChanges, roll: StoredRoll): readonly string[] {
  const times = auditedTimes(roll);
  const audited = auditLinesOf(changes).filter((line) => (times.get(line) ?? 0) > 1);
  const members = [...roll.members.values()];
  return [
    ...audited.map((line) => `the audit log has more than once: ${line}`),
    ...doubled(members.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])).map(
      (address) => `${address} was given twice`,
    ),
    ...doubled(members.map(({ inviteId }) => inviteId)).map((id) => `two used the invite ${id}`),
    ...doubled(roll.inviteUses).map((key) => `the identity ${key} used two invites`),
  ];
}

/** What the audit log should say of them. */
function auditLinesOf({ invited, joined, evicted }: AcknowledgedChanges): readonly string[] {
  return [
    ...[...invited].map((id) => `invite-created ${id}`),
    ...[...joined.keys()].map((name) => `member-joined ${name}`),
    ...[...evicted].map((name) => `member-evicted ${name}`),
  ];
}

function auditedTimes({ audit }: StoredRoll): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const { action, subject } of audit) {
    const line = `${action} ${subject}`;
    times.set(line, (times.get(line) ?? 0) + 1);
  }
  return times;
}

function doubled(values: readonly string[]): readonly string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))];
}
