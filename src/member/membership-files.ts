import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { endReasonSchema, placeSchema, type View, viewSchema } from '../api/messages.ts';
import { assignSlots, type PathSlots } from '../core/member-masters.ts';
import {
  type MasterName,
  masterNameSchema,
  memberNameSchema,
  subsetNameSchema,
  vpnNameSchema,
} from '../model/names.ts';
import { chainSchema } from '../model/records/parts.ts';
import { tokenTextSchema } from '../model/token-text.ts';
import { wireguardPrivateKeySchema, wireguardPublicKeySchema } from '../model/wireguard-key.ts';
import { privateDirectoryMode, removeDurably } from '../runtime/durable-file.ts';
import { mastersOf } from './master-trust.ts';
import { moveStateSchema } from './moving/move-state.ts';
import { StateFile } from './state-file.ts';

const timeMs = z.number().int().nonnegative();
const portSchema = z.number().int().min(1).max(65_535);
const keyPairSchema = z.object({
  privateKey: wireguardPrivateKeySchema,
  publicKey: wireguardPublicKeySchema,
});
/** `acting`: towards masters, whoever acts. */
export const keyPairsSchema = z.object({ acting: keyPairSchema });

/** What a join must remember before it is sent: with it, and only with it, the answer can be had again. */
const pendingJoinSchema = z.object({
  version: z.literal(1),
  startedAtMs: timeMs,
  token: tokenTextSchema,
  name: memberNameSchema,
  keys: keyPairsSchema,
});
export type PendingJoin = z.infer<typeof pendingJoinSchema>;

/** Views had neither orders nor a spread when members used their acting master only. */
const storedViewSchema = viewSchema
  .extend({
    orders: viewSchema.shape.orders.optional(),
    spreadMs: viewSchema.shape.spreadMs.default(0),
  })
  .transform(({ orders, ...view }): View => {
    const masters = [view.acting, ...view.backups].map(({ name }) => name);
    return { ...view, orders: orders ?? [masters] };
  });

/** All that a membership needs to come up with every master down. Secret: it holds keys. */
const membershipStateSchema = z
  .object({
    version: z.literal(1),
    joinedAtMs: timeMs,
    /**
     * Its place among the memberships of its VPN, the smallest first: when it was joined, or that of
     * the one that was moved here.
     */
    rankMs: timeMs.optional(),
    /** What has become of the last order to move to another subset. */
    move: moveStateSchema.optional(),
    keys: keyPairsSchema,
    rootCertificate: z.string(),
    place: placeSchema,
    chain: chainSchema,
    /** The newest view that was accepted; the host may be one behind after a crash. */
    view: storedViewSchema,
    /** Which master of the view each interface leads to (`memberInterfaceName`). */
    slots: z.array(masterNameSchema.nullable()).max(9).default([]),
    /** Through whom traffic went last; absent for the first in the member's order. */
    using: masterNameSchema.optional(),
    /** Where its direct interface listens; absent until a master introduces members. */
    directPort: portSchema.optional(),
    /** And its sealed one; absent until masters are not to read what passes between members. */
    sealedPort: portSchema.optional(),
  })
  .transform(({ slots, rankMs, ...state }) => ({
    ...state,
    rankMs: rankMs ?? state.joinedAtMs,
    slots: slotsFor(state.view, slots),
  }));
export type MembershipState = z.infer<typeof membershipStateSchema>;

/** `forgotten`: dropped here without telling any master. */
export const membershipEndReasonSchema = z.enum([...endReasonSchema.options, 'forgotten']);
export type MembershipEndReason = z.infer<typeof membershipEndReasonSchema>;

/** What is kept of a membership that is over: no secrets, only why. */
const tombstoneSchema = z.object({
  version: z.literal(1),
  vpn: vpnNameSchema,
  subset: subsetNameSchema,
  name: memberNameSchema,
  reason: membershipEndReasonSchema,
  endedAtMs: timeMs,
});
export type Tombstone = z.infer<typeof tombstoneSchema>;

/** The interfaces that a view's masters get, where others have had them `before`. */
export function slotsFor(view: View, before: PathSlots): (MasterName | null)[] {
  return [
    ...assignSlots(
      before,
      mastersOf(view).map(({ name }) => name),
    ),
  ];
}

const endedFile = 'ended.json';
const peersFile = 'peers.json';
const sealedFile = 'sealed.json';

/** Where a membership stands, by its files. */
export type StoredMembership =
  | { readonly kind: 'none' }
  | { readonly kind: 'pending'; readonly pending: PendingJoin }
  | { readonly kind: 'member'; readonly state: MembershipState }
  | { readonly kind: 'ended'; readonly tombstone: Tombstone };

/**
 * The folder of one membership. Every step is durable before the next begins, and each leaves
 * files that `read` understands, so that a crash between any two steps loses nothing:
 *
 *     pending.json → membership.json → (pending.json removed) → ended.json → (membership.json removed)
 *
 * `ended.json` outweighs `membership.json`, which outweighs `pending.json`.
 */
export class MembershipFiles {
  /** `VPN.SUBSET` */
  readonly name: string;
  /** Of direct paths; worth less than the membership, see `PeersFile`. */
  readonly peersPath: string;
  /** Of sealed tunnels, likewise. */
  readonly sealedPath: string;
  readonly #folder: string;
  readonly #pending: StateFile<typeof pendingJoinSchema>;
  readonly #membership: StateFile<typeof membershipStateSchema>;
  readonly #ended: StateFile<typeof tombstoneSchema>;

  constructor(membershipsDirectory: string, name: string) {
    this.name = name;
    this.#folder = join(membershipsDirectory, name);
    this.peersPath = join(this.#folder, peersFile);
    this.sealedPath = join(this.#folder, sealedFile);
    this.#pending = new StateFile(join(this.#folder, 'pending.json'), pendingJoinSchema);
    this.#membership = new StateFile(join(this.#folder, 'membership.json'), membershipStateSchema);
    this.#ended = new StateFile(join(this.#folder, endedFile), tombstoneSchema);
  }

  /** @throws MemberError `corrupt-state` */
  async read(): Promise<StoredMembership> {
    const tombstone = await this.#ended.read();
    if (tombstone) return { kind: 'ended', tombstone };
    const state = await this.#membership.read();
    if (state) return { kind: 'member', state };
    const pending = await this.#pending.read();
    return pending ? { kind: 'pending', pending } : { kind: 'none' };
  }

  /** Starts a join, also where an earlier membership has ended. */
  async writePending(pending: PendingJoin): Promise<void> {
    await this.makeRoom();
    await this.#pending.write(pending);
  }

  /** For a membership whose join is remembered elsewhere (`LandingFile`). */
  async makeRoom(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: privateDirectoryMode });
    await this.#membership.remove();
    await this.#ended.remove();
  }

  /** The join was refused for good: nothing of it stays. */
  dropPending(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }

  /** Once it resolves, the join is not repeated any more. */
  async writeAdmitted(state: MembershipState): Promise<void> {
    await this.#membership.write(state);
    await this.endJoin();
  }

  /** The join has become a membership, perhaps just before a crash. Harmless to repeat. */
  endJoin(): Promise<void> {
    return this.#pending.remove();
  }

  writeState(state: MembershipState): Promise<void> {
    return this.#membership.write(state);
  }

  /** Once it resolves, the keys are gone from the disk. */
  async writeEnded(tombstone: Tombstone): Promise<void> {
    await this.#ended.write(tombstone);
    await this.removeSecrets();
  }

  /** Removes all but the tombstone, with what a crash left half-written. Harmless to repeat. */
  async removeSecrets(): Promise<void> {
    for (const file of await readdir(this.#folder)) {
      if (file !== endedFile) await removeDurably(join(this.#folder, file));
    }
  }
}
