import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { Endpoint } from '../model/endpoint.ts';
import { describeError } from '../model/error.ts';
import { dnsNameOf, type Identity } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import { rootFingerprint, verifyChain } from '../trust/certificate-check.ts';
import type { ControlContact, InviteClaims } from '../trust/invite-token.ts';
import { createSelfSigned } from '../trust/self-signed-certificate.ts';
import { type ControlConnection, upgradeToSession } from './control-connection.ts';
import type { ControlCounts } from './control-counts.ts';
import type { MemberIdentity } from './member-directory.ts';
import {
  connectToKnownMaster,
  connectToStranger,
  untrustedMaster,
  withConnectTimeout,
} from './tls-connection.ts';

/** A master's chain, an intermediate and the root are three; more is not looked at. */
const longestSentChain = 4;

export interface FirstContactOptions {
  /** One of the invite's. */
  readonly contact: ControlContact;
  readonly invite: InviteClaims;
  readonly identity: MemberIdentity;
  /** Of a membership that this member has in the VPN already: it shows who is asking. */
  readonly earlier?: { readonly chain: readonly string[]; readonly rootCertificate: string };
}

export interface FirstContactDependencies {
  readonly clock: Clock;
  readonly counts: ControlCounts;
}

/** A session with a master that the invite names. */
export interface FirstContact {
  readonly connection: ControlConnection;
  /** The root whose fingerprint the invite carries. */
  readonly rootCertificate: string;
}

/**
 * Connects to a master that an invite names, before this member has anything but the invite.
 * Nothing of the invite is sent before the other end has proved, up to the root that the invite
 * pins, to be that master.
 * @throws MemberError `unreachable`, `untrusted-master`
 */
export async function contactMaster(
  options: FirstContactOptions,
  dependencies: FirstContactDependencies,
  signal: AbortSignal,
): Promise<FirstContact> {
  const { endpoint, master } = options.contact;
  const { clock, counts } = dependencies;
  return await withConnectTimeout({ endpoint, clock, signal }, async (inTime) => {
    const { socket, rootCertificate } = await connect(options, clock, inTime);
    const sessionOptions = { endpoint, clock, ...counts.of(`master:${master}`) };
    const connection = await upgradeToSession(socket, sessionOptions, inTime);
    return { connection, rootCertificate };
  });
}

interface CheckedSocket {
  readonly socket: TLSSocket;
  readonly rootCertificate: string;
}

async function connect(
  { contact, invite, identity, earlier }: FirstContactOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<CheckedSocket> {
  const { privateKeyPem } = identity;
  const { endpoint } = contact;
  const expected = { kind: 'master', vpn: invite.vpn, name: contact.master } as const;
  const dnsName = dnsNameOf(expected);
  if (earlier) {
    const { chain, rootCertificate } = earlier;
    const target = { endpoint, dnsName, rootCertificate };
    const socket = await connectToKnownMaster(target, { chain, privateKeyPem }, signal);
    return { socket, rootCertificate };
  }
  const credentials = { chain: [createSelfSigned(identity.keyPair)], privateKeyPem };
  const socket = await connectToStranger({ endpoint, dnsName }, credentials, signal);
  try {
    const rootCertificate = await checkStranger(socket, {
      endpoint,
      expected,
      pinned: invite.rootFingerprint,
      nowMs: clock.nowMs(),
    });
    return { socket, rootCertificate };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

interface StrangerFacts {
  readonly endpoint: Endpoint;
  readonly expected: Identity;
  /** Fingerprint of the root. */
  readonly pinned: string;
  readonly nowMs: number;
}

/** @returns the pinned root certificate, to which the other end's chain leads */
async function checkStranger(
  socket: TLSSocket,
  { endpoint, expected, pinned, nowMs }: StrangerFacts,
): Promise<string> {
  const sent = sentCertificates(socket);
  const root = sent.find((certificate) => hasFingerprint(certificate, pinned));
  if (root === undefined) {
    throw untrustedMaster(endpoint, 'it shows another root certificate than the invite names');
  }
  const chain = sent.slice(0, sent.indexOf(root));
  try {
    await verifyChain({ chain, root, nowMs, expected });
  } catch (cause) {
    throw untrustedMaster(endpoint, describeError(cause), cause);
  }
  return root;
}

/** What the other end sent, as PEM, leaf first. */
function sentCertificates(socket: TLSSocket): string[] {
  const sent: string[] = [];
  let next: X509Certificate | undefined = socket.getPeerX509Certificate();
  while (next && sent.length < longestSentChain) {
    sent.push(next.toString());
    next = next.issuerCertificate;
  }
  return sent;
}

/** False also for what is no root certificate of ours at all. */
function hasFingerprint(certificate: string, fingerprint: string): boolean {
  try {
    return rootFingerprint(certificate) === fingerprint;
  } catch {
    // A leaf, or somebody else's certificate: not the root that is looked for.
    return false;
  }
}
