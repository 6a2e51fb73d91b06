import { setTimeout as delay } from 'node:timers/promises';
import { introduceMember } from '../../../src/api/path-endpoints.ts';
import { addressIndexOf } from '../../../src/core/addressing.ts';
import type { Master } from '../../../src/master/master.ts';
import type { MemberSession } from '../../../src/master/session/member-session.ts';
import { describeError } from '../../../src/model/error.ts';
import type { MasterName, MemberName, SubsetName } from '../../../src/model/names.ts';
import { type Address, familyOf } from '../../../src/model/prefix.ts';
import type { MemberRecord } from '../../../src/model/records/roll.ts';
import { type Issuer, issueLeaf } from '../../../src/trust/certificate-authority.ts';
import type { MemberAddresses } from '../../../src/trust/member-addresses.ts';
import { createIdentityKeyPair } from '../../../src/trust/self-signed-certificate.ts';

const attackEveryMs = 200;

/** As the master has it. */
interface Accomplice {
  readonly session: MemberSession;
  readonly record: MemberRecord;
  readonly sealedPort: number;
  /** Whose certificates say what the master wants. */
  readonly issuer: Issuer;
}

export interface LyingMasterOptions {
  /** Which the master governs, and the accomplice is a member of. */
  readonly own: SubsetName;
  readonly accomplice: MemberName;
  readonly robbed: SubsetName;
  readonly say: (line: string) => void;
}

/** Whom a lie is told, through the master of which subset. */
export interface Attack {
  readonly master: MasterName;
  readonly subset: SubsetName;
  readonly whom: Address;
  readonly lie: Address;
}

/**
 * A master gone bad. It governs its own subset as any other one does, but says of every address of
 * another subset that an accomplice has it: to its own members when they seek that address, and to
 * members of a third subset through their master.
 */
export class LyingMaster {
  readonly #master: Master;
  readonly #options: LyingMasterOptions;

  constructor(master: Master, options: LyingMasterOptions) {
    this.#master = master;
    this.#options = options;
    const seek = master.seeking.seek.bind(master.seeking);
    master.seeking.seek = async (session, addresses) => {
      const lies = addresses.filter((address) => this.#isRobbed(address));
      for (const address of lies) await this.#lieTo(session, address);
      await seek(
        session,
        addresses.filter((address) => !lies.includes(address)),
      );
    };
  }

  /** Asks the other master to introduce the accomplice, once it is there. */
  async attack({ master, subset, whom, lie }: Attack): Promise<void> {
    for (;;) {
      await delay(attackEveryMs);
      const found = this.#accomplice();
      if (!found) continue;
      for (const { chain, told } of await this.#claims(found, lie)) {
        const { sealedPort } = found;
        const member = { chain: [...chain], ...told, sealedPort };
        const input = { params: { subset }, body: { address: whom, member } };
        try {
          await this.#master.links.call(introduceMember, input, { master });
          this.#options.say(`${lie}: believed by ${master}`);
        } catch (error) {
          this.#options.say(`${lie}: refused by ${master}: ${describeError(error)}`);
        }
      }
    }
  }

  #isRobbed(address: Address): boolean {
    const blocks = this.#master.directory.subsets.get(this.#options.robbed)?.record;
    return blocks !== undefined && addressIndexOf(blocks, address) !== undefined;
  }

  /** Undefined until it is there, and the master acts. */
  #accomplice(): Accomplice | undefined {
    const { own, accomplice } = this.#options;
    const session = this.#master.hub.find(own, accomplice);
    const record = this.#master.subsets.findServed(own)?.roll.findActive(accomplice);
    const sealedPort = session?.direct.contact?.sealedPort;
    const issuer = this.#master.subsets.find(own)?.authorities.issuer;
    if (!session || !record || !sealedPort || !issuer) return undefined;
    return { session, record, sealedPort, issuer };
  }

  /** Both ends are told, so that a tunnel would be there if the lie were believed. */
  async #lieTo(seeker: MemberSession, address: Address): Promise<void> {
    const found = this.#accomplice();
    const victim = this.#master.subsets
      .findServed(this.#options.own)
      ?.roll.findActive(seeker.member.name);
    const sealedPort = seeker.direct.contact?.sealedPort;
    if (!found || !victim || !sealedPort) return;
    const { ipv4, ipv6 } = victim;
    const candidates: string[] = [];
    found.session.send({
      ...{ type: 'introduce', name: victim.name, chain: [...seeker.chain()], ipv4, ipv6 },
      ...{ candidates, sealedPort, isFirst: false },
    });
    for (const { chain, told } of await this.#claims(found, address)) {
      seeker.send({
        ...{ type: 'introduce', name: found.record.name, chain: [...chain], ...told },
        ...{ candidates, sealedPort: found.sealedPort, isFirst: true },
      });
    }
    this.#options.say(`${address}: told ${victim.name}`);
  }

  /** With the accomplice's honest certificate, and with one that says the same as the lie. */
  async #claims({ session, record, issuer }: Accomplice, lie: Address) {
    const { ipv4, ipv6 } = record;
    const told = familyOf(lie) === 4 ? { ipv4: lie, ipv6 } : { ipv4, ipv6: lie };
    return [
      { told, chain: session.chain() },
      { told, chain: await certify(record, told, issuer) },
    ];
  }
}

async function certify(
  record: MemberRecord,
  addresses: MemberAddresses,
  issuer: Issuer,
): Promise<readonly string[]> {
  const { vpn, subset, master } = issuer.scope as Extract<typeof issuer.scope, { kind: 'subset' }>;
  const nowMs = Date.now();
  const leaf = await issueLeaf({
    identity: { kind: 'member', vpn, subset, name: record.name },
    subjectPublicKey: createIdentityKeyPair().publicKey.export({ type: 'spki', format: 'der' }),
    wireguardKeys: record.keys,
    addresses,
    // Without its blocks it signs whatever it is told to.
    issuer: { ...issuer, scope: { kind: 'subset', vpn, subset, master } },
    period: { fromMs: nowMs, untilMs: nowMs + 3_600_000 },
  });
  return [leaf, issuer.certificatePem];
}
