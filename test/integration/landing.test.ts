import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/lab-process.ts';
import { hanseProgram } from '../../lab/vpn/hanse-program.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import type { MemberView } from '../../src/api/member-endpoints.ts';
import type { InviteOfSubset } from '../../src/cli/placed-invites.ts';
import { hanseOutcome } from '../support/lab/hanse-outcome.ts';
import { until } from '../support/until.ts';

/*
 * Newcomers behind one router, and masters at several distances from it. The invites leave the subset
 * to placement. The tests are told in order.
 */
let lab: Lab;
let vpn: LabVpn;
const cleanup = new AsyncDisposableStack();
/** Long, because the machine may be busy with other tests. */
const slowMs = 90_000;
const guests = ['anna', 'bela', 'cora', 'dora', 'emil', 'fred', 'gina', 'hugo', 'ida', 'jan'];

before(async () => {
  const sites = [
    { name: 'fra-net', hosts: ['fra'], uplink: { delayMs: 30 } },
    { name: 'ams-net', hosts: ['ams'], uplink: { delayMs: 5 } },
    { name: 'nyc-net', hosts: ['nyc'], uplink: { delayMs: 60 } },
    { name: 'home', hosts: guests },
  ];
  lab = cleanup.use(await createLab({ topology: { sites } }));
  const masters = ['fra', 'ams', 'nyc'].map((host) => ({ host, subset: `of-${host}` }));
  vpn = await LabVpn.create(lab, { name: 'corp', masters });
  await vpn.startMasters();
});
after(() => cleanup.disposeAsync());

const invite = async (...options: string[]): Promise<string> =>
  (await vpn.hanse(['invite', 'create', '--home', 'of-fra', ...options])).trim();

const directoryOf = (host: string): string => join(lab.directory, 'members', host);

function joinLine(host: string, token: string): readonly string[] {
  return ['member', 'join', token, '--name', host, '--dir', directoryOf(host)];
}

function startJoin(host: string, token: string): Promise<LabProcess> {
  return lab.node(host).start(hanseProgram, joinLine(host, token));
}

/** Where it has landed, once it has. */
async function landed(process: LabProcess): Promise<string> {
  const { groups } = await process.waitForOutput(
    /^\S+ is in corp\.(?<subset>\S+): [\d.]+, [\da-f:]+$/m,
    slowMs,
  );
  return groups?.['subset'] ?? '';
}

async function setPolicy(text: string): Promise<void> {
  const path = join(lab.directory, 'policy.yaml');
  await writeFile(path, text);
  await vpn.hanse(['placement', 'policy', 'set', path, '--force']);
}

/** In which rolls the name is, by what the masters that answer say. */
async function rollsOf(name: string): Promise<readonly string[]> {
  const { members } = (await vpn.hanseJson(['member', 'list'])) as {
    readonly members: readonly MemberView[];
  };
  return members.filter((member) => member.name === name).map(({ subset }) => subset);
}

/** Of the invite that was made last. */
async function lastInvite(): Promise<InviteOfSubset | undefined> {
  const { invites } = (await vpn.hanseJson(['invite', 'list'])) as {
    readonly invites: readonly InviteOfSubset[];
  };
  return invites.toSorted((a, b) => a.expiresAtMs - b.expiresAtMs).at(-1);
}

/** A member daemon that goes on with what is on its disk, until it is in a VPN. */
async function resumed(host: string): Promise<string> {
  const line = ['member', 'run', '--dir', directoryOf(host)];
  await lab.node(host).start(hanseProgram, line);
  return await until(
    `${host} has landed`,
    async () => {
      const [subset] = await rollsOf(host);
      const isOver = (await readdir(join(directoryOf(host), 'member', 'landings'))).length === 0;
      return isOver && subset;
    },
    slowMs,
  );
}

test('a newcomer lands with the nearest master, and is told why', async () => {
  const anna = await startJoin('anna', await invite());
  assert.equal(await landed(anna), 'of-ams');
  const output = await anna.output();
  assert.match(
    output,
    /^3 of 3 masters answer: ams \d\d\.\d ms, fra \d\d\.\d ms, nyc 1\d\d\.\d ms$/m,
  );
  assert.match(
    output,
    /^placed in of-ams \(ams\): \d+\.\d points; next best is of-fra \(fra\): \d+\.\d$/m,
  );
  const made = await lastInvite();
  assert.deepEqual([made?.used, made?.placedBy], [1, 'of-fra']);
  assert.deepEqual(made?.candidates, ['of-ams', 'of-fra', 'of-nyc']);
});

test('a daemon that runs already lands as well, and the command says where', async () => {
  const line = joinLine('anna', await invite('--subset', 'of-fra', '--subset', 'of-nyc'));
  const { exitCode, output } = await hanseOutcome(lab.node('anna'), line);
  assert.equal(exitCode, 0, output);
  assert.match(output, /^placed in of-fra \(fra\): /m);
  assert.match(output, /^anna is in corp\.of-fra: /m);
});

test('the nearest master is passed over where the law forbids it', async () => {
  await setPolicy(
    [
      'jurisdictions: { unknown: allow, rules: [{ within: [DE] }] }',
      'places: { masters: { ams: { jurisdiction: NL }, fra: { jurisdiction: DE }, nyc: { jurisdiction: US } } }',
    ].join('\n'),
  );
  const bela = await startJoin('bela', await invite());
  assert.equal(await landed(bela), 'of-fra');
  assert.match(await bela.output(), /^placed in of-fra \(fra\): .*, the only place$/m);
});

test('who can be nowhere is told what excludes each, and nothing of it stays', async () => {
  await setPolicy('criteria: { latencyMs: { atMost: 1 } }\npins: { cora: { subset: of-nyc } }');
  const token = await invite('--name', 'cora');
  const { exitCode, output } = await hanseOutcome(lab.node('cora'), joinLine('cora', token));
  assert.equal(exitCode, 3);
  const text = output.replace(/\s+/g, ' ');
  assert.match(text, /ams \(of-ams\): the member is pinned to subset of-nyc, and its latencyMs is/);
  assert.match(text, /fra \(of-fra\): the member is pinned/);
  assert.match(text, /nyc \(of-nyc\): its latencyMs is 1[\d.]+, and at most 1 is allowed/);
  assert.equal((await lastInvite())?.used, 0);
  assert.deepEqual(await readdir(join(directoryOf('cora'), 'member', 'landings')), []);
});

test('a full master declines, and the next best is given', async () => {
  // Home does not know how many members ams has.
  await setPolicy('capacities: { ams: 1 }');
  const dora = await startJoin('dora', await invite());
  assert.equal(await landed(dora), 'of-fra');
  const output = await dora.output();
  assert.match(output, /^placed in of-ams/m);
  assert.match(output, /^of-ams did not take this node: .*master-full.*full with 1 member/m);
  assert.deepEqual(await rollsOf('dora'), ['of-fra']);
  assert.equal((await lastInvite())?.used, 1);
  await setPolicy('');
});

test('a master that answers probes and nothing else is not chosen', async () => {
  const table = 'inet blocked';
  const ams = lab.node('ams').address('ipv4');
  const rules = [
    `add table ${table}`,
    `add chain ${table} forward { type filter hook forward priority 0; }`,
    `add rule ${table} forward ip daddr ${ams} tcp dport 8443 reject with tcp reset`,
  ];
  const router = lab.node('home');
  await router.run('nft', ['-f', '-'], { input: `${rules.join('\n')}\n` });
  const emil = await startJoin('emil', await invite());
  assert.equal(await landed(emil), 'of-fra');
  assert.match(await emil.output(), /^3 of 3 masters answer: ams/m);
  await router.run('nft', ['delete', 'table', ...table.split(' ')]);
});

test('a candidate that is out of reach is not waited for', async () => {
  const token = await invite();
  await lab.link('ams-net').cut();
  const fred = await startJoin('fred', token);
  assert.equal(await landed(fred), 'of-fra');
  assert.match(await fred.output(), /^2 of 3 masters answer: fra/m);
  await lab.link('ams-net').restore();
});

test('an invite leaves out a subset whose master is away, and says so', async () => {
  await vpn.master('ams').kill();
  const made = await hanseOutcome(lab.node('fra'), ['invite', 'create'], {
    HANSE_DIR: vpn.directory,
  });
  assert.equal(made.exitCode, 0);
  assert.match(made.output, /the invite does not lead to of-ams: /);
  assert.match(made.output, /into the best of of-fra, of-nyc; of-fra places them/);
  await vpn.master('ams').start();
});

test('a member that is killed with its claim in hand lands after all, by one use', async () => {
  const token = await invite('--subset', 'of-nyc');
  const gina = await startJoin('gina', token);
  await gina.waitForOutput(/^placed in of-nyc/m, slowMs);
  await gina.kill('SIGKILL');
  await gina.waitForExit(slowMs);
  assert.equal(await resumed('gina'), 'of-nyc');
  assert.deepEqual(await rollsOf('gina'), ['of-nyc']);
  assert.equal((await lastInvite())?.used, 1);
});

test('a place does not need its home master any more, which counts the use when it is back', async () => {
  const token = await invite('--subset', 'of-nyc');
  const hugo = await startJoin('hugo', token);
  await hugo.waitForOutput(/^placed in of-nyc/m, slowMs);
  await vpn.master('fra').kill();
  assert.equal(await landed(hugo), 'of-nyc');
  await vpn.master('fra').start();
  assert.equal((await lastInvite())?.used, 1);
  const late = await hanseOutcome(lab.node('jan'), joinLine('jan', token));
  assert.equal(late.exitCode, 3);
  assert.match(late.output.replace(/\s+/g, ' '), /has been used 1 of 1 times/);
});

test('a target that dies after the admission leaves one member, in one roll, by one use', async () => {
  const token = await invite('--subset', 'of-nyc');
  const ida = await startJoin('ida', token);
  await vpn.master('nyc').process.waitForOutput(/"member-joined".*"ida"/, slowMs);
  await vpn.master('nyc').kill();
  await vpn.master('nyc').start();
  assert.equal(await landed(ida), 'of-nyc');
  assert.deepEqual(await rollsOf('ida'), ['of-nyc']);
  assert.equal((await lastInvite())?.used, 1);
});

test('a revoked invite is gone from all of its subsets', async () => {
  const made = await invite();
  const id = (await lastInvite())?.id ?? '';
  await vpn.hanse(['invite', 'revoke', id]);
  for (const subset of ['of-fra', 'of-ams', 'of-nyc']) {
    const list = await vpn.hanse(['invite', 'list', '--subset', subset]);
    assert.ok(!list.includes(id), subset);
  }
  const { exitCode, output } = await hanseOutcome(lab.node('jan'), joinLine('jan', made));
  assert.equal(exitCode, 3);
  assert.match(output.replace(/\s+/g, ' '), /the invite was revoked/);
});
