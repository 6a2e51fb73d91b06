import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CertificateBed, hourMs } from '../../../test/support/certificate-bed.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { until } from '../../../test/support/until.ts';
import { endpointSchema } from '../../model/endpoint.ts';
import { parseMasterName, parseMemberName } from '../../model/names.ts';
import { longestOrderMs } from '../../model/order-lifetime.ts';
import { silentLog } from '../../runtime/log.ts';
import { rootFingerprint } from '../../trust/certificate-check.ts';
import { createInviteToken } from '../../trust/invite-token.ts';
import type { Membership } from '../membership.ts';
import type { MembershipState } from '../membership-files.ts';
import type { Destinations } from './destinations.ts';
import type { MoveState } from './move-state.ts';
import { Mover } from './mover.ts';

const master = parseMasterName('hansa-1');

/** A membership of web-1 in east, and the other memberships only as what a move sees of them. */
class Bed {
  readonly clock = new ManualClock();
  readonly certificates: CertificateBed;
  readonly saved: MoveState[] = [];
  /** What was taken back, and the ranks that were passed on. */
  readonly done: string[] = [];
  /** Whether packets come through the new tunnel: as the test says, and not before. */
  readonly proof = Promise.withResolvers<boolean>();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly mover: Mover;

  constructor(certificates: CertificateBed) {
    this.certificates = certificates;
    const { vpn: name, root } = certificates;
    const { subset } = certificates.member('east', 'web-1');
    const place = { vpn: { name }, subset, name: parseMemberName('web-1') };
    const fixed = { place, rootCertificate: root.certificatePem, rankMs: 5 };
    this.mover = new Mover(
      {
        membership: 'hansa.east',
        state: () => ({ ...fixed, move: this.saved.at(-1) }) as MembershipState,
        save: async (move) => void this.saved.push(move),
      },
      { clock: this.clock, log: silentLog(), destinations: this.#destinations() },
    );
    this.#running = this.mover.run(this.#stop.signal, () => new Promise(() => {}));
  }

  #destinations(): Destinations {
    const found = {
      paths: { using: { master } },
      answersWithin: () => this.proof.promise,
      takeRank: async (rankMs: number) => void this.done.push(`rank ${rankMs}`),
      state: {},
    } as unknown as Membership;
    return {
      resumed: Promise.resolve(),
      find: () => found,
      arrive: async () => found,
      giveUp: async (_, to) => void this.done.push(`left ${to}`),
    };
  }

  async order(subset: string, order: number, endsInMs = hourMs): Promise<void> {
    const claims = {
      inviteId: `6f1c6f0e-5b6a-4c0f-9d1d-2a7c83be41d${order}`,
      expiresAtMs: this.clock.nowMs() + endsInMs,
      rootFingerprint: rootFingerprint(this.certificates.root.certificatePem),
      control: [{ master, endpoint: endpointSchema.parse('127.0.0.1:1') }] as const,
    };
    const memberName = parseMemberName('web-1');
    const issuer = await this.certificates.intermediate(subset);
    const token = await createInviteToken({ ...claims, memberName }, issuer);
    this.mover.take({ type: 'move', token, graceMs: 60_000 });
  }

  stages(): readonly string[] {
    return this.saved.map(({ stage, to }) => `${stage} ${to}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running.catch(() => {});
  }
}

test('an order that arrives as another one comes does not count any more', async () => {
  await using bed = new Bed(await CertificateBed.create());
  await bed.order('west', 0);
  await until('it is taken up', () => bed.saved.length === 1);
  await bed.order('north', 1);
  bed.proof.resolve(true);
  await until('the new one is carried out', () => bed.done.includes('rank 5'));
  assert.deepEqual(bed.stages(), ['joining west', 'joining north', 'moved north']);
  assert.deepEqual(bed.done, ['left west', 'rank 5'], 'and the rank is for its subset alone');
});

test('an order that comes after another one was carried out changes nothing', async () => {
  await using bed = new Bed(await CertificateBed.create());
  await bed.order('west', 0);
  bed.proof.resolve(true);
  await until('it is carried out', () => bed.done.includes('rank 5'));
  const changed = Promise.withResolvers<void>();
  bed.mover.onChange(changed.resolve);
  await bed.order('north', 1);
  await changed.promise;
  assert.deepEqual(bed.stages(), ['joining west', 'moved west']);
  assert.ok(!bed.done.includes('left west'));
});

test('it is told when new connections begin at the new address, not before', async () => {
  await using bed = new Bed(await CertificateBed.create());
  await bed.order('west', 0);
  await until('it is taken up', () => bed.saved.length === 1);
  const told: string[] = [];
  bed.mover.onChange(() => told.push(`${bed.stages().at(-1)}, ${bed.done.at(-1)}`));
  bed.proof.resolve(true);
  await until('it is told', () => told.includes('moved west, rank 5'));
  assert.ok(!told.includes('moved west, undefined'), told.join('; '));
});

test('an order is given up after a day, whatever its token says', async () => {
  await using bed = new Bed(await CertificateBed.create());
  await bed.order('west', 0, 1_000 * longestOrderMs);
  await until('it is taken up', () => bed.clock.hasSleeper(longestOrderMs));
  bed.clock.advance(longestOrderMs);
  await until('it is given up', () => bed.saved.length === 2);
  assert.deepEqual(bed.stages(), ['joining west', 'not-moved west']);
  assert.deepEqual(bed.done, ['left west']);
});
