import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createLab, type Lab } from '../../lab/lab.ts';
import { hanseProgram } from '../../lab/vpn/hanse-program.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import type { MemberStatus } from '../../src/api/member-local.ts';
import type { LiveEvent, MasterStatus } from '../../src/api/status-endpoints.ts';
import type { AuditRecord } from '../../src/model/records/audit.ts';
import { hanseOutcome } from '../support/lab/hanse-outcome.ts';
import { readFigure } from '../support/lab/master-figures.ts';
import { untilSession } from '../support/lab/member-session.ts';
import { until } from '../support/until.ts';

/** The operator has a machine of its own, from which only one master can be reached. */
const topology = {
  sites: [
    { name: 'north-net', hosts: ['north-1', 'n1'] },
    { name: 'south-net', hosts: ['south-1', 's1', 's2'] },
    { name: 'office', hosts: ['desk', 'bare'] },
  ],
};
const masters = [
  { host: 'north-1', subset: 'north' },
  { host: 'south-1', subset: 'south' },
];
const slowMs = 60_000;

interface StatusDocument {
  readonly member?: MemberStatus;
  readonly masters: readonly ({ readonly name: string } & (
    | { readonly status: MasterStatus }
    | { readonly error: string }
  ))[];
}

describe('an operator who reaches one master only', { timeout: 300_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let n1: LabMember;
  const profile = () => join(vpn.directory, 'operators', 'admin');
  /** From the desk, with nothing but the operator's profile. */
  const operate = (line: readonly string[]) =>
    hanseOutcome(lab.node('desk'), line, { HANSE_PROFILE: profile() });
  const operateJson = async <T>(line: readonly string[]): Promise<T> => {
    const { exitCode, output } = await operate([...line, '--json']);
    assert.equal(exitCode, 0, output);
    return JSON.parse(output) as T;
  };

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, { name: 'corp', masters });
    await vpn.startMasters();
    n1 = await vpn.join('n1', 'north');
    await untilSession(n1, 'live');
    const south = lab.node('south-1').address('ipv4');
    await lab.node('desk').run('nft', ['-f', '-'], {
      input: `table ip desk {
  chain output {
    type filter hook output priority filter
    ip daddr ${south} drop
  }
}
`,
    });
  });
  after(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  it('is served by the responsible master all the same, through the one in reach', async () => {
    const { output } = await operate(['invite', 'create', '--subset', 'south']);
    const token = /hanse_\S+/.exec(output)?.[0] ?? '';
    const s1 = await vpn.join('s1', 'south', { token });
    await untilSession(s1, 'live');
    const { members } = await operateJson<{ members: { name: string; subset: string }[] }>([
      'member',
      'list',
    ]);
    assert.deepEqual(
      members.map(({ name, subset }) => `${name}.${subset}`),
      ['n1.north', 's1.south'],
    );
    const tunnelled = await readFigure(
      vpn.master('north-1'),
      'hanse_control_messages_received_total',
      { kind: 'CONNECT' },
    );
    assert.ok(tunnelled > 0, 'north-1 has passed it on');
    const foreign = await readFigure(
      vpn.master('north-1'),
      'hanse_control_messages_received_total',
      { kind: 'POST /v1/subsets/:subset/invites', sender: 'operator:admin' },
    );
    assert.equal(foreign, 1, 'and has read nothing but the request for n1');
  });

  it('sees what happens everywhere as it happens', async () => {
    const env = { HANSE_PROFILE: profile() };
    const watch = await lab.node('desk').start(hanseProgram, ['watch', '--json'], { env });
    await watch.waitForOutput(/watching north-1, south-1/, slowMs);
    const events = async () =>
      (await watch.output())
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as { master: string; event: LiveEvent });

    // The streams open after the line is printed: something has to happen until both are seen.
    await until(
      'events of both masters arrive',
      async () => {
        for (const subset of ['north', 'south'])
          await operate(['invite', 'create', '--subset', subset]);
        return new Set((await events()).map(({ master }) => master)).size === 2;
      },
      slowMs,
    );
    const s2 = await vpn.join('s2', 'south');
    await operate(['member', 'evict', s2.reference]);
    const membership = (action: string) =>
      until(
        `${action} is seen`,
        async () =>
          (await events()).some(
            ({ master, event }) =>
              master === 'south-1' &&
              event.type === 'membership' &&
              event.entry.action === action &&
              event.entry.subject === 's2',
          ),
        slowMs,
      );
    await membership('member-joined');
    await membership('member-evicted');
    await watch.kill('SIGINT');
    assert.equal(await watch.waitForExit(slowMs), 0, 'an interrupt is its good end');
  });

  it('reads who did what, newest first', async () => {
    const { entries } = await operateJson<{ entries: AuditRecord[] }>([
      'audit',
      '--subset',
      'south',
    ]);
    const [last] = entries;
    assert.deepEqual(
      [last?.action, last?.subject, last?.actor, last?.master],
      ['member-evicted', 's2', 'operator:admin', 'south-1'],
    );
    const times = entries.map(({ atMs }) => atMs);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => b - a),
    );
    assert.ok(entries.every(({ subset }) => subset === 'south'));
  });

  it('sees how each master is doing', async () => {
    const { masters: answers } = await operateJson<StatusDocument>(['status']);
    const statuses = answers.map((answer) => ('status' in answer ? answer.status : undefined));
    assert.deepEqual(
      statuses.map((status) => status?.subsets.map(({ name, role }) => `${role} ${name}`)),
      [['acting north'], ['acting south']],
    );
    const [north] = statuses;
    assert.ok(north);
    assert.deepEqual(north.watches, ['directory/'], 'nobody is backed up by it');
    assert.ok(north.masters[0]?.handshakeAgeMs !== undefined, 'the backbone shook hands');
    assert.ok(['kernel', 'wireguard-go'].includes(north.wireguard.backend));
  });

  it('a member sees how it is doing itself', async () => {
    const { exitCode, output } = await hanseOutcome(n1.node, [
      'status',
      '--json',
      '--dir',
      n1.directory,
    ]);
    assert.equal(exitCode, 0, output);
    const { member } = JSON.parse(output) as StatusDocument;
    const [membership] = member?.memberships ?? [];
    assert.equal(membership?.session.state, 'live');
    assert.equal(membership?.place?.ipv4, n1.ipv4);
    assert.ok(membership?.masters[0]?.path?.handshakeAgeMs !== undefined);
  });

  it('is told by doctor what a machine has, for its role', async () => {
    for (const role of ['master', 'member']) {
      const { exitCode, output } = await hanseOutcome(lab.node('bare'), [
        ...['doctor', '--role', role, '--json', '--dir', join(lab.directory, 'doctor')],
      ]);
      const { findings } = JSON.parse(output) as { findings: { check: string; status: string }[] };
      assert.ok(findings.length > 3, output);
      const isMissing = findings.some(({ status }) => status === 'missing');
      assert.equal(exitCode, isMissing ? 1 : 0);
    }
  });

  it('learns from the exit code what went wrong', async () => {
    const cases: readonly (readonly [line: string, exitCode: number, says: RegExp])[] = [
      ['member show nobody.south', 1, /nobody/],
      ['invite create --subset nowhere', 2, /there is no subset nowhere/],
      ['invite create --uses none', 2, /uses/],
      ['member evict n1.north --wait never', 2, /wait/],
      ['status --master atlantis', 2, /there is no master atlantis/],
      ['audit --subset north --limit 0', 2, /limit/],
    ];
    for (const [line, exitCode, says] of cases) {
      const outcome = await operate(line.split(' '));
      assert.match(outcome.output, says);
      assert.equal(outcome.exitCode, exitCode, `${line}: ${outcome.output}`);
    }
  });

  it('hears which master is out of reach, and still of the others', async () => {
    await vpn.master('south-1').kill();
    const status = await operate(['status']);
    assert.equal(status.exitCode, 4);
    assert.match(status.output, /south-1: no answer/);
    assert.match(status.output, /north-1/);
    const invite = await operate(['invite', 'create', '--subset', 'south']);
    assert.equal(invite.exitCode, 4, invite.output);
    assert.match(invite.output, /south-1/);

    await vpn.master('north-1').kill();
    const nobody = await operate(['member', 'list']);
    assert.equal(nobody.exitCode, 4, nobody.output);
    assert.match(nobody.output, /no master of corp can be reached/);
  });
});
