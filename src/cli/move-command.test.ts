import assert from 'node:assert/strict';
import { test } from 'node:test';
import { invite } from '../../test/support/invite.ts';
import { MasterBed, type MasterBedOptions, operatorName } from '../../test/support/master-bed.ts';
import { MemoryHost } from '../../test/support/memory-host.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { RunningMaster } from '../../test/support/running-master.ts';
import { memberDirectory, RunningMember } from '../../test/support/running-member.ts';
import { until } from '../../test/support/until.ts';
import { listAudit } from '../api/audit-endpoints.ts';
import { getMember, type MemberView } from '../api/member-endpoints.ts';
import { parseMemberName } from '../model/names.ts';
import { systemClock } from '../runtime/clock.ts';

const subsets: MasterBedOptions['subsets'] = { hamburg: ['elbe'], bremen: ['weser'] };

/** Two masters, and a member of hamburg: anna, as the invite says unless `isNamed` is false. */
class Bed implements AsyncDisposable {
  readonly bed: MasterBed;
  readonly host = new MemoryHost();
  readonly directory: string;
  readonly #stack: AsyncDisposableStack;
  #member: RunningMember | undefined;

  private constructor(bed: MasterBed, directory: string, stack: AsyncDisposableStack) {
    this.bed = bed;
    this.directory = directory;
    this.#stack = stack;
  }

  static async start(isNamed = true): Promise<Bed> {
    await using stack = new AsyncDisposableStack();
    const master = stack.use(await MasterBed.create({ subsets }));
    stack.use(await RunningMaster.start(master, 'elbe'));
    stack.use(await RunningMaster.start(master, 'weser'));
    const { path } = stack.use(await memberDirectory());
    const bed = new Bed(master, path, stack.move());
    const { token } = await invite(master, 'hamburg', isNamed ? { memberName: 'anna' } : {});
    await bed.startMember(token);
    return bed;
  }

  async startMember(token?: string): Promise<void> {
    const name = parseMemberName('anna');
    const join = token === undefined ? {} : { join: { token, name } };
    const options = { directory: this.directory, ...join };
    this.host.answersProbes = true;
    this.#member = new RunningMember(options, { clock: systemClock, host: this.host });
    if (token === undefined) return;
    await until('anna is connected', async () => (await this.view('hamburg'))?.session);
  }

  async stopMember(): Promise<void> {
    await this.#member?.[Symbol.asyncDispose]();
  }

  async view(subset: string): Promise<MemberView | undefined> {
    const operator = await this.bed.operator();
    const params = { subset, name: 'anna' };
    return operator.call(getMember, { params }).catch(() => undefined);
  }

  async audited(subset: string): Promise<readonly string[]> {
    const operator = await this.bed.operator();
    const input = { params: { subset }, query: {} };
    const { entries } = await operator.call(listAudit, input);
    return entries.map(({ action }) => action).reverse();
  }

  hanse(...args: readonly string[]) {
    const { directory } = this.bed;
    const env = { HANSE_DIR: directory.path, HANSE_PROFILE: directory.operator(operatorName) };
    return runHanse(['member', ...args], { env });
  }

  /** By which addresses new packets leave, and which have ways of their own. */
  get ways() {
    const [state] = this.host.applied.slice(-1);
    const routes = state?.interfaces.flatMap((one) => one.routes) ?? [];
    const vpn = routes.find(({ destination }) => destination === '100.64.0.0/10');
    return [vpn?.source, (state?.sources ?? []).flatMap(({ addresses }) => addresses).length];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopMember();
    await this.#stack.disposeAsync();
  }
}

test('a member moves, and is found where it is', async () => {
  await using bed = await Bed.start();
  const before = await bed.view('hamburg');
  const run = await bed.hanse('move', 'anna', '--to', 'bremen', '--wait', '60s');
  assert.equal(run.exitCode, 0, run.err);
  assert.match(run.out, /anna\.hamburg is to move to bremen\nit is anna\.bremen now; its addr/);
  const [old, now] = [await bed.view('hamburg'), await bed.view('bremen')];
  assert.deepEqual(
    [old?.movedTo?.subset, old?.moving, now?.state],
    ['bremen', undefined, 'active'],
  );
  assert.equal(now?.identityKey, before?.identityKey);
  assert.deepEqual([before?.isNamedByInvite, now?.isNamedByInvite], [true, true]);
  assert.deepEqual(bed.ways, [now?.ipv4, 4]);
  assert.match((await bed.hanse('show', 'anna')).out, /^member +anna\.bremen/);
  assert.match((await bed.hanse('show', 'anna.hamburg')).out, /has moved +it is anna\.bremen now/);
  assert.match((await bed.hanse('list')).out, /anna\.hamburg +active, moved to bremen/);
});

test('a name that is the member’s own word is so where it has moved', async () => {
  await using bed = await Bed.start(false);
  const run = await bed.hanse('move', 'anna', '--to', 'bremen', '--wait', '60s');
  assert.equal(run.exitCode, 0, run.err);
  const [old, now] = [await bed.view('hamburg'), await bed.view('bremen')];
  assert.deepEqual([old?.movedTo?.subset, now?.state], ['bremen', 'active']);
  assert.deepEqual([old?.isNamedByInvite, now?.isNamedByInvite], [undefined, undefined]);
});

test('a member that restarts in its grace period takes nothing away, and leaves in time', async () => {
  await using bed = await Bed.start();
  await bed.hanse('move', 'anna', '--to', 'bremen', '--grace', '15s', '--wait', '60s');
  await bed.stopMember();
  const before = bed.host.applied.length;
  await bed.startMember();
  await until('it has told the host', () => bed.host.applied.length > before);
  const first = bed.host.applied[before];
  assert.equal(first?.sources?.flatMap(({ addresses }) => addresses).length, 4);
  await until('anna has left', async () => (await bed.view('hamburg'))?.state === 'left', 30_000);
  await until('one way is left', async () => bed.ways[1] === 0);
  assert.deepEqual(bed.ways, [(await bed.view('bremen'))?.ipv4, 0]);
  const gone = await bed.hanse('evict', 'anna.hamburg');
  assert.match(gone.err, /anna is not in hamburg any more: it left at .*, and is anna\.bremen now/);
  assert.deepEqual((await bed.audited('hamburg')).slice(-3), [
    ...['member-move-ordered', 'member-moved', 'member-left'],
  ]);
});

test('a member that is away when it is ordered moves when it comes', async () => {
  await using bed = await Bed.start();
  await bed.stopMember();
  await until('anna is away', async () => !(await bed.view('hamburg'))?.session);
  const run = await bed.hanse('move', 'anna', '--to', 'bremen', '--wait', '0s');
  assert.equal(run.exitCode, 1);
  assert.match(run.out, /it is not connected, and moves when it comes within a day/);
  assert.match((await bed.hanse('list')).out, /anna\.hamburg +active, moving to bremen/);
  await bed.startMember();
  await until('anna has moved', async () => (await bed.view('hamburg'))?.movedTo);
});

test('a member that is not taken stays, and says why', async () => {
  await using bed = await Bed.start();
  const { token } = await invite(bed.bed, 'bremen', { memberName: 'anna' });
  await using directory = await memberDirectory();
  await using _other = new RunningMember(
    { directory: directory.path, join: { token } },
    { clock: systemClock, host: new MemoryHost() },
  );
  await until('the other anna is there', () => bed.view('bremen'));
  const run = await bed.hanse('move', 'anna.hamburg', '--to', 'bremen', '--json');
  assert.equal(run.exitCode, 1, run.err);
  const [ordered, outcome] = run.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(ordered, { member: 'anna.hamburg', to: 'bremen', type: 'ordered' });
  assert.equal(outcome.type, 'not-moved');
  assert.match(outcome.reason, /there is a member anna in bremen/);
  assert.match((await bed.hanse('show', 'anna.hamburg')).out, /NOT MOVED: joining corp\.bremen/);
  assert.equal(bed.ways[1], 0);
});
