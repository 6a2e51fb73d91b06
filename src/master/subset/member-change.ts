import type { MemberName } from '../../model/names.ts';
import { encodeRecord } from '../../model/records/codec.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import { memberKey } from '../../store/keys.ts';
import type { AuditNote } from './roll-writer.ts';
import type { SubsetState } from './subset-state.ts';

export interface MemberChange {
  /** Of the member as it is when its turn has come; the same record for no change. */
  readonly change: (member: MemberRecord) => MemberRecord;
  /** Written with a change, and only with one. */
  readonly note?: Omit<AuditNote, 'subject'>;
}

/**
 * Changes the record of a member that stays in the roll; resolves when it is durable.
 * @throws MasterError `no-such-member`, `not-active`, what `change` throws; StoreError
 */
export function changeMember(
  state: SubsetState,
  name: MemberName,
  { change, note }: MemberChange,
): Promise<MemberRecord> {
  return state.inFlight.run(name, async () => {
    const before = state.requireMember(name);
    const member = change(before);
    if (member === before) return member;
    await state.commit({
      then: [{ put: memberKey(state.subset, name), value: encodeRecord(member) }],
      audit: note ? [{ ...note, subject: name }] : [],
    });
    state.roll.putMember(member);
    return member;
  });
}
