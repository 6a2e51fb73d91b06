import { z } from 'zod';
import { masterNameSchema, memberNameSchema, subsetNameSchema } from '../model/names.ts';
import { addressSchema } from '../model/prefix.ts';
import { chainSchema } from '../model/records/parts.ts';
import { wireguardPublicKeySchema } from '../model/wireguard-key.ts';

/*
 * What is said in a session about tunnels between two members: direct paths, and sealed tunnels through
 * masters. A master sends these only to members whose `hello` had `direct`, and a member only to masters
 * that introduce members.
 */

/** A member takes no more direct peers at a time, tried ones included. */
export const maxDirectPeers = 64;
/** And so many sealed tunnels. */
export const maxSealedPeers = 256;
/** Of both kinds. */
export const maxHeldPeers = maxDirectPeers + maxSealedPeers;
/** Whom a member may ask for at once. */
export const maxSought = 16;
/** Of one peer; more are not tried. */
export const maxCandidates = 8;

const portSchema = z.number().int().min(1).max(65_535);
/** Numeric `address:port`, IPv6 in brackets, as WireGuard has it. */
export const candidateSchema = z
  .string()
  .max(64)
  .regex(/^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\]):\d{1,5}$/);

/** How a member's direct interface can be reached as far as the member knows, and whom it holds there. */
export const directContactSchema = z.object({
  port: portSchema,
  /** Of its own network interfaces, without the VPN's. */
  addresses: z.array(addressSchema).max(maxCandidates),
  /** UDP, at its sealed address (`core/addressing`); absent while masters may read what passes between members. */
  sealedPort: portSchema.optional(),
  /** Those that are no members any more are withdrawn before anything else is answered. */
  peers: z.array(wireguardPublicKeySchema).max(maxHeldPeers),
  /** What others check the member by: TLS does not tell a master all of what it was shown. */
  chain: chainSchema,
});
export type DirectContact = z.infer<typeof directContactSchema>;

/**
 * - `trying`: no packet has come back yet. `direct`: the kernel sends by it.
 * - `failed`: nothing came back by any of the candidates; traffic goes through a master.
 */
export const directStateSchema = z.enum(['trying', 'direct', 'failed']);
export type DirectState = z.infer<typeof directStateSchema>;

/** One direct path as the member at one end of it sees it. */
export const directPathSchema = z.object({
  peer: wireguardPublicKeySchema,
  name: memberNameSchema,
  /** Absent for the member's own. */
  subset: subsetNameSchema.optional(),
  state: directStateSchema,
  /** Why it is in this state, for people. */
  reason: z.string().max(200),
  /** For how long it has been in this state. */
  ageMs: z.number().nonnegative(),
  /** Where its packets come from now, or the candidate that is tried. */
  endpoint: candidateSchema.optional(),
  /** Whose relay that is; absent where the two reach each other without one. */
  relayedBy: masterNameSchema.optional(),
  tried: z.array(candidateSchema).max(maxCandidates),
  roundTripMs: z.number().nonnegative().optional(),
  handshakeAgeMs: z.number().nonnegative().optional(),
});
export type DirectPath = z.infer<typeof directPathSchema>;

/** All direct paths of the member, whenever one has changed its state and when it is asked. */
export const pathsSchema = z.object({
  type: z.literal('paths'),
  paths: z.array(directPathSchema).max(maxDirectPeers),
  /** Whom it holds, also where nothing goes by it any more and there is nothing to tell: as in `hello`. */
  held: z.array(wireguardPublicKeySchema).max(maxHeldPeers),
});
export type PathsMessage = z.infer<typeof pathsSchema>;

/** Somebody is worth a direct path: the member says hello from its direct interface to the rendezvous. */
export const meetSchema = z.object({ type: z.literal('meet') });

/** Where a member of the VPN is, of whom a sealed tunnel to these addresses is wanted. */
export const seekSchema = z.object({
  type: z.literal('seek'),
  addresses: z.array(addressSchema).min(1).max(maxSought),
});

/** Another member, and where it may be reached. */
export const introduceSchema = z.object({
  type: z.literal('introduce'),
  name: memberNameSchema,
  /** Of which it is a member; absent for the own one. Only in a VPN whose subsets have one key. */
  subset: subsetNameSchema.optional(),
  /** Binds the name to the WireGuard key; to be checked up to the root. */
  chain: chainSchema,
  ipv4: addressSchema,
  ipv6: addressSchema,
  /** The best first, for a direct path; empty when there is none to be tried now. */
  candidates: z.array(candidateSchema).max(maxCandidates),
  /** UDP, of this master: what the member sends there goes on to the other one. For when no candidate serves. */
  relayPort: portSchema.optional(),
  /** For a sealed tunnel: UDP, at its sealed address. With neither this nor candidates only the certificate is new. */
  sealedPort: portSchema.optional(),
  /** Who sends first; the other one waits a moment, since WireGuard drops handshakes that cross. */
  isFirst: z.boolean(),
});
export type IntroduceMessage = z.infer<typeof introduceSchema>;

/** These are members no more, or must not be talked to directly: gone before anything that follows is applied. */
export const withdrawSchema = z.object({
  type: z.literal('withdraw'),
  peers: z.array(wireguardPublicKeySchema).min(1).max(maxDirectPeers),
});

/** Asks for `paths`. */
export const reportPathsSchema = z.object({ type: z.literal('report-paths') });
