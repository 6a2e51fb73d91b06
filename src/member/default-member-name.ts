import { type MemberName, memberNameSchema } from '../model/names.ts';

/** The machine's name as far as it can be a member's: its first label, in lower case. */
export function defaultMemberName(machineName: string): MemberName {
  const label = (machineName.split('.')[0] ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 32)
    .replace(/^-+|-+$/g, '');
  return memberNameSchema.parse(label === '' ? 'member' : label);
}
