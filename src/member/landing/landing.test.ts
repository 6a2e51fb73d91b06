import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CertificateBed, hourMs } from '../../../test/support/certificate-bed.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { MemoryHost } from '../../../test/support/memory-host.ts';
import { memberDirectory, RunningMember } from '../../../test/support/running-member.ts';
import { ScriptedMaster, type ScriptedSession } from '../../../test/support/scripted-master.ts';
import { until } from '../../../test/support/until.ts';
import { callLocal } from '../../api/client/local-client.ts';
import { localJoin } from '../../api/member-local.ts';
import type { JoinMessage, RefusalCode } from '../../api/messages.ts';
import type { AskPlaceMessage, LandMessage, PlacedMessage } from '../../api/placing-messages.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { rootFingerprint } from '../../trust/certificate-check.ts';
import { createInviteToken } from '../../trust/invite-token.ts';
import type { PendingLanding } from './landing-file.ts';

const name = parseMemberName('web-1');

/** A newcomer, the master of its invite's home subset, and the one of the subset where it is placed. */
async function landingBed() {
  await using stack = new AsyncDisposableStack();
  const bed = await CertificateBed.create();
  // The first subset, to which the addresses belong that a scripted master gives.
  await bed.intermediate('east');
  const home = stack.use(await ScriptedMaster.start(bed, { name: 'home-1' }));
  const target = stack.use(await ScriptedMaster.start(bed));
  const directory = stack.use(await memberDirectory());
  const [clock, host] = [new ManualClock(), new MemoryHost()];
  const token = await createInviteToken(
    {
      inviteId: '6f1c6f0e-5b6a-4c0f-9d1d-2a7c83be41d5',
      expiresAtMs: bed.nowMs + hourMs,
      rootFingerprint: rootFingerprint(bed.root.certificatePem),
      control: [{ master: home.name, endpoint: home.endpoint }],
      isPlaced: true,
    },
    await bed.intermediate('home'),
  );
  const progress: string[] = [];
  const start = (changes: { readonly token?: string; readonly random?: () => number } = {}) =>
    new RunningMember(
      {
        ...{ directory: directory.path, join: { token: changes.token ?? token, name } },
        onProgress: (line) => progress.push(line),
      },
      { clock, host, random: changes.random ?? (() => 0) },
    );
  const resume = () => new RunningMember({ directory: directory.path }, { clock, host });
  const kept = stack.move();
  const parts = { bed, home, target, directory: directory.path, clock, host, token, progress };
  return { ...parts, start, resume, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
type LandingBed = Awaited<ReturnType<typeof landingBed>>;

const landingFile = ({ directory }: LandingBed) => join(directory, 'landings', 'hansa.json');
const landings = ({ directory }: LandingBed) => readdir(join(directory, 'landings'));

async function changeLanding(bed: LandingBed, change: Partial<PendingLanding>): Promise<void> {
  const stored = JSON.parse(await readFile(landingFile(bed), 'utf8')) as PendingLanding;
  await writeFile(landingFile(bed), JSON.stringify({ ...stored, ...change }));
}

/** Has the newcomer ask for a place. */
async function askedFor({ home, token }: LandingBed) {
  const first = await home.session();
  assert.equal((await first.receive('find-place')).token, token);
  first.send({ type: 'candidates', masters: [] });
  await first.closed();
  return await asked(home);
}

async function asked(home: ScriptedMaster) {
  const session = await home.session();
  return { session, asked: await session.receive('ask-place') };
}

/** Has it ask again after its pause. @param isMeasured that was less than a minute ago */
async function askedAgain(bed: LandingBed, { pauseMs = 200, isMeasured = true } = {}) {
  await until('a pause', () => bed.clock.hasSleeper(pauseMs));
  bed.clock.advance(pauseMs);
  return isMeasured ? await asked(bed.home) : await askedFor(bed);
}

const placeIn = (
  { target }: LandingBed,
  subset: string,
  claim = 'hanse-claim_1',
): PlacedMessage => ({
  ...{ type: 'placed', subset: parseSubsetName(subset), master: target.name, claim, score: 12.6 },
  control: [{ master: target.name, endpoint: target.endpoint }],
});

/** Has the newcomer ask for a place, and places it. */
async function place(bed: LandingBed, subset: string): Promise<void> {
  const { session } = await askedFor(bed);
  session.send(placeIn(bed, subset));
}

/** Has it ask again after its pause, and tells it that there is none. */
async function placeNowhere(bed: LandingBed): Promise<void> {
  const { session } = await askedAgain(bed);
  session.send(refused('no-place', 'no other subset of the invite is left for web-1'));
}

/** Has the newcomer present its claim where it is placed. */
async function landing({ target }: LandingBed): Promise<[ScriptedSession, LandMessage]> {
  const session = await target.session();
  return [session, await session.receive('land')];
}

/** Has it present its claim to somebody who never answers. @returns what it has said */
async function silence(bed: LandingBed): Promise<LandMessage> {
  const [mute, land] = await landing(bed);
  mute.mute();
  await until('it waits', () => bed.clock.hasSleeper(20_000));
  bed.clock.advance(20_000);
  return land;
}

async function admit(bed: LandingBed, session: ScriptedSession, land: LandMessage, subset: string) {
  const message: JoinMessage = { ...land, type: 'join', token: '' };
  session.send(await bed.target.admission(session, message, { subset }));
  await session.receive('acknowledge');
}

const refused = (code: RefusalCode, message: string, retryable = false) =>
  ({ type: 'refused', code, message, retryable }) as const;

const request = ({ name, declined, masters }: AskPlaceMessage) => ({ name, declined, masters });

test('a newcomer asks for a place, shows its claim there and its token nowhere but at home', async () => {
  await using bed = await landingBed();
  await using member = bed.start();
  const { session: home, asked } = await askedFor(bed);
  assert.deepEqual(request(asked), { name, declined: [], masters: [] });
  home.send(placeIn(bed, 'east'));
  const [session, land] = await landing(bed);
  assert.deepEqual(land, { type: 'land', claim: 'hanse-claim_1', name, keys: land.keys });
  assert.equal((await stat(landingFile(bed))).mode & 0o777, 0o600);
  assert.equal((await member.status())?.membership, 'hansa');
  await admit(bed, session, land, 'east');
  const status = await until('live', async () => {
    const now = await member.status();
    return now?.session.state === 'live' && now;
  });
  assert.deepEqual([status.membership, status.subset], ['hansa.east', 'east']);
  assert.deepEqual(await landings(bed), []);
  assert.deepEqual(bed.progress, [
    '0 of 0 masters answer',
    'placed in east (hansa-1): 12.6 points, the only place',
  ]);
});

test('whoever asks the daemon meanwhile is told how far it is, as it goes', async () => {
  await using bed = await landingBed();
  await using member = bed.start();
  const { session: home } = await askedFor(bed);
  await until('a socket', () => member.status());
  const told: string[] = [];
  const joined = callLocal(
    member.socketPath,
    localJoin,
    { token: bed.token },
    { onProgress: (line) => told.push(line) },
  );
  await until('it hears what has been', () => told.length === 1);
  home.send(placeIn(bed, 'east'));
  const [session, land] = await landing(bed);
  await until('it hears where', () => told.length === 2);
  await admit(bed, session, land, 'east');
  assert.equal((await joined).membership, 'hansa.east');
  assert.deepEqual(told, bed.progress);
});

test('a home that is away is told of each time that it is asked', async () => {
  await using bed = await landingBed();
  await using _member = bed.start();
  const session = await bed.home.session();
  await session.receive('find-place');
  session.send(refused('unavailable', 'it is starting', true));
  await until('it is told', () =>
    bed.progress.some((line) => /^no place yet: .*starting/.test(line)),
  );
});

test('a subset that declines leads to the next one, and leaves no interface behind', async () => {
  await using bed = await landingBed();
  await using _member = bed.start();
  await place(bed, 'west');
  const [session] = await landing(bed);
  session.send(refused('master-full', 'the master is full with 1 members'));
  const second = await askedAgain(bed);
  assert.deepEqual(request(second.asked).declined, ['west']);
  assert.deepEqual(await readdir(join(bed.directory, 'memberships')), []);
  second.session.send(placeIn(bed, 'east', 'hanse-claim_2'));
  const [other, land] = await landing(bed);
  assert.equal(land.claim, 'hanse-claim_2');
  await admit(bed, other, land, 'east');
  assert.deepEqual(await readdir(join(bed.directory, 'memberships')), ['hansa.east']);
  assert.equal(bed.host.interfaces.length, 1);
  assert.match(bed.progress.join('\n'), /west did not take this node: .*full with 1 members/);
});

test('who can be nowhere hears why of each subset, and nothing of it stays', async () => {
  await using bed = await landingBed();
  await using member = bed.start();
  await place(bed, 'west');
  const [session] = await landing(bed);
  session.send(refused('master-full', 'the master is full with 1 members'));
  const { session: home } = await askedAgain(bed);
  home.send(refused('no-place', 'no subset can have web-1; elbe (east): it answers no probe'));
  await assert.rejects(member.outcome, (error: Error) => {
    assert.match(error.message, /joining hansa failed: .*elbe \(east\): it answers no probe/);
    assert.match(error.message, /; west: .*full with 1 members/);
    return 'code' in error && error.code === 'join-refused';
  });
  assert.deepEqual(await landings(bed), []);
  assert.deepEqual(await readdir(join(bed.directory, 'memberships')), []);
  assert.deepEqual(bed.host.interfaces, []);
});

test('a daemon that died with a claim shows the same claim with the same key', async () => {
  await using bed = await landingBed();
  const first = bed.start();
  const { session: home } = await askedFor(bed);
  home.send(placeIn(bed, 'east'));
  const [, before] = await landing(bed);
  await first[Symbol.asyncDispose]();
  await using _second = bed.resume();
  const [session, land] = await landing(bed);
  assert.deepEqual(land, before);
  await admit(bed, session, land, 'east');
  await until('the landing is over', async () => (await landings(bed)).length === 0);
});

test('what a daemon had half written when it was killed is gone when the next one has started', async () => {
  await using bed = await landingBed();
  const draft = join(bed.directory, 'landings', '.hansa.json.0123456789ab');
  await mkdir(join(bed.directory, 'landings'));
  await writeFile(draft, `{"token":"${bed.token}"`);
  await using _member = bed.start();
  await askedFor(bed);
  assert.deepEqual(await landings(bed), ['hansa.json']);
});

test('a daemon that died before it had a place asks again', async () => {
  await using bed = await landingBed();
  const first = bed.start();
  await askedFor(bed);
  await first[Symbol.asyncDispose]();
  await using _second = bed.resume();
  const { session: home } = await askedFor(bed);
  home.send(placeIn(bed, 'east'));
  const [session, land] = await landing(bed);
  await admit(bed, session, land, 'east');
});

test('a home master that knows no places is tried again, because it may be updated', async () => {
  await using bed = await landingBed();
  await using _member = bed.start();
  const old = await bed.home.session();
  await old.receive('find-place');
  old.send(refused('bad-message', 'that is no message of hanse.v1'));
  await askedAgain(bed, { isMeasured: false });
});

test('a claim that came too late is asked for anew, and its subset is not declined', async () => {
  await using bed = await landingBed();
  await using _member = bed.start();
  await place(bed, 'east');
  const [session] = await landing(bed);
  session.send(refused('claim-expired', 'the place was kept until noon'));
  const second = await askedAgain(bed);
  assert.deepEqual(request(second.asked).declined, []);
  second.session.send(placeIn(bed, 'east', 'hanse-claim_2'));
  const [other, land] = await landing(bed);
  await admit(bed, other, land, 'east');
});

test('a subset that has refused and is given again ends the join', async () => {
  await using bed = await landingBed();
  await using member = bed.start();
  await place(bed, 'east');
  const [session] = await landing(bed);
  session.send(refused('token-used', 'somebody has joined by this use of the invite'));
  const second = await askedAgain(bed);
  second.session.send(placeIn(bed, 'east', 'hanse-claim_2'));
  await assert.rejects(member.outcome, (error: Error) => {
    assert.match(error.message, /leads to east again.*; east: .*somebody has joined by this use/);
    return 'code' in error && error.code === 'join-refused';
  });
  assert.deepEqual(await landings(bed), []);
});

test('a claim that is always too late is asked for more and more seldom', async () => {
  await using bed = await landingBed();
  // The longest pauses that there are.
  await using _member = bed.start({ random: () => 1 });
  await place(bed, 'east');
  for (const pauseMs of [200, 400, 800]) {
    const [session] = await landing(bed);
    session.send(refused('claim-expired', 'the place was kept until noon'));
    const { session: home } = await askedAgain(bed, { pauseMs });
    home.send(placeIn(bed, 'east'));
  }
});

test('whom a home sends to ever new subsets gives up after as many as an invite can have', async () => {
  await using bed = await landingBed();
  const subsets = Array.from({ length: 199 }, (_, index) => parseSubsetName(`s-${index}`));
  const before = bed.start();
  await askedFor(bed);
  await before[Symbol.asyncDispose]();
  await changeLanding(bed, { declined: subsets });
  await using _member = bed.resume();
  await place(bed, 'west');
  const [session] = await landing(bed);
  session.send(refused('master-full', 'the master is full with 1 members'));
  const second = await askedAgain(bed);
  assert.equal(second.asked.declined.length, 200);
  second.session.send(placeIn(bed, 'east'));
  await until('the landing is over', async () => (await landings(bed)).length === 0);
});

test('a master that is silent is left for the next after its time, and tried again while home knows none', async () => {
  await using bed = await landingBed();
  await using _member = bed.start();
  await place(bed, 'east');
  const before = await silence(bed);
  const second = await askedAgain(bed);
  assert.deepEqual(request(second.asked).declined, ['east']);
  second.session.send(refused('unavailable', 'east does not answer', true));
  const [session, land] = await landing(bed);
  assert.deepEqual(land, before);
  await admit(bed, session, land, 'east');
});

test('a place that is silent may have been joined: it is not given up when there is no other', async () => {
  await using bed = await landingBed();
  await using _member = bed.start();
  await place(bed, 'east');
  const before = await silence(bed);
  await placeNowhere(bed);
  assert.deepEqual(await silence(bed), before);
  await placeNowhere(bed);
  const [session, land] = await landing(bed);
  assert.deepEqual(land, before);
  await admit(bed, session, land, 'east');
});

test('a daemon that died while its place was silent tries that place first', async () => {
  await using bed = await landingBed();
  const member = bed.start();
  const first = await askedFor(bed);
  first.session.send(placeIn(bed, 'east'));
  const before = await silence(bed);
  await askedAgain(bed);
  await member[Symbol.asyncDispose]();
  await using _second = bed.resume();
  const [session, land] = await landing(bed);
  assert.deepEqual(land, before);
  await admit(bed, session, land, 'east');
});

test('where one subset is silent and the other one refuses, the silent one is asked for again', async () => {
  await using bed = await landingBed();
  await using _member = bed.start();
  await place(bed, 'east');
  const before = await silence(bed);
  const second = await askedAgain(bed);
  second.session.send(placeIn(bed, 'west', 'hanse-claim_2'));
  const [other] = await landing(bed);
  other.send(refused('master-full', 'the master is full with 1 members'));
  const third = await askedAgain(bed);
  assert.deepEqual(request(third.asked).declined, ['west', 'east']);
  third.session.send(refused('no-place', 'no other subset of the invite is left for web-1'));
  const fourth = await askedAgain(bed);
  assert.deepEqual(request(fourth.asked).declined, ['west']);
  fourth.session.send(placeIn(bed, 'east', 'hanse-claim_3'));
  const [session, land] = await landing(bed);
  assert.deepEqual(land, { ...before, claim: 'hanse-claim_3' });
  await admit(bed, session, land, 'east');
});

test('a place that was silent until its claim was too late is asked for anew', async () => {
  await using bed = await landingBed();
  await using _member = bed.start();
  await place(bed, 'east');
  await silence(bed);
  await placeNowhere(bed);
  const [late] = await landing(bed);
  late.send(refused('claim-expired', 'the place was kept until noon'));
  const third = await askedAgain(bed);
  assert.deepEqual(request(third.asked).declined, []);
});

test('a place where this node is already ends the join', async () => {
  await using bed = await landingBed();
  const member = bed.start();
  await place(bed, 'east');
  const [session, land] = await landing(bed);
  await admit(bed, session, land, 'east');
  await until('the landing is over', async () => (await landings(bed)).length === 0);
  await member[Symbol.asyncDispose]();

  await using again = bed.start();
  const second = await askedFor(bed);
  assert.deepEqual(request(second.asked).declined, ['east']);
  second.session.send(placeIn(bed, 'east'));
  await assert.rejects(again.outcome, { code: 'already-member' });
  assert.deepEqual(await landings(bed), []);
});

test('a subset that this node is joining by another invite is no place for it', async () => {
  await using bed = await landingBed();
  const token = await bed.target.invite({ subset: 'west' });
  const before = bed.start({ token });
  await (await bed.target.session()).receive('join');
  await before[Symbol.asyncDispose]();
  await using _member = bed.start();
  const { asked } = await askedFor(bed);
  assert.deepEqual(request(asked).declined, ['west']);
});

test('a node that has declined as many subsets as a request can name is understood none the less', async () => {
  await using bed = await landingBed();
  const others = bed.start({ token: await bed.target.invite({ subset: 'west' }) });
  await (await bed.target.session()).receive('join');
  await others[Symbol.asyncDispose]();
  const before = bed.start();
  await askedFor(bed);
  await before[Symbol.asyncDispose]();
  const declined = Array.from({ length: 200 }, (_, index) => parseSubsetName(`s-${index}`));
  await changeLanding(bed, { declined });
  await using _member = bed.resume();
  const { asked } = await askedFor(bed);
  assert.deepEqual(request(asked).declined, declined);
});
