import { z } from 'zod';
import { memberNameSchema } from '../model/names.ts';
import { addressSchema } from '../model/prefix.ts';
import { chainSchema } from '../model/records.ts';
import { wireguardPublicKeySchema } from '../model/wireguard-key.ts';

/*
 * What is said in a session about direct paths between two members of a subset. A master sends these
 * only to members whose `hello` had `direct`, and a member only to masters that have introduced it.
 */

/** A member takes no more direct peers at a time, tried ones included. */
export const maxDirectPeers = 64;
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
  /** Those that are no members any more are withdrawn before anything else is answered. */
  peers: z.array(wireguardPublicKeySchema).max(maxDirectPeers),
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
  state: directStateSchema,
  /** Why it is in this state, for people. */
  reason: z.string().max(200),
  /** For how long it has been in this state. */
  ageMs: z.number().nonnegative(),
  /** Where its packets come from now, or the candidate that is tried. */
  endpoint: candidateSchema.optional(),
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
  held: z.array(wireguardPublicKeySchema).max(maxDirectPeers),
});
export type PathsMessage = z.infer<typeof pathsSchema>;

/** Somebody is worth a direct path: the member says hello from its direct interface to the rendezvous. */
export const meetSchema = z.object({ type: z.literal('meet') });

/** Another member of the subset, and where it may be reached. */
export const introduceSchema = z.object({
  type: z.literal('introduce'),
  name: memberNameSchema,
  /** Binds the name to the WireGuard key; to be checked up to the root. */
  chain: chainSchema,
  ipv4: addressSchema,
  ipv6: addressSchema,
  /** The best first. Empty for a younger certificate of a peer that is known. */
  candidates: z.array(candidateSchema).max(maxCandidates),
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
