import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { dnsNameOf } from '../../src/model/names.ts';
import { subjectAltNameOf } from '../../src/trust/certificate-profile.ts';
import { derTag, encodeDer } from '../../src/trust/der.ts';
import { distinguishedName } from '../../src/trust/signed-certificate.ts';
import {
  CertificateBed,
  type Credentials,
  honestExtensions,
  subjectAltName,
  usageExtensions,
} from '../support/certificate-bed.ts';
import { HostileBed } from '../support/lab/hostile-bed.ts';
import { readRoot, stealAuthority } from '../support/lab/stolen-keys.ts';
import { SessionNode } from '../support/session-client.ts';

const commonName = '2.5.4.3';
const minuteMs = 60_000;

describe('a certificate that does not hold', { timeout: 300_000 }, () => {
  let bed: HostileBed;
  /** A VPN of the same name, made by somebody else, and the forge for all that follows. */
  let forge: CertificateBed;
  before(async () => {
    bed = await HostileBed.create();
    forge = await CertificateBed.create('corp');
  });
  after(async () => {
    await bed?.[Symbol.asyncDispose]();
  });

  interface Attack {
    readonly what: string;
    readonly credentials: () => Promise<Credentials>;
    readonly countedAs: string;
    readonly says: RegExp;
  }
  const north = () => stealAuthority(bed.vpn, { subset: 'north', master: 'north-1' });
  const south = () => stealAuthority(bed.vpn, { subset: 'south', master: 'south-1' });
  const n1 = () => forge.member('north', 'n1');
  const bothNames = () => {
    const name = subjectAltNameOf(dnsNameOf(n1()));
    // The content of one name twice: a sequence of two.
    const [, , ...content] = name;
    return subjectAltName(encodeDer(derTag.sequence, Uint8Array.from([...content, ...content])));
  };

  /** Within the life of the authority, which began five minutes before the VPN was made. */
  const justEnded = () => ({ fromMs: Date.now() - minuteMs, untilMs: Date.now() - 1_000 });

  const attacks: readonly Attack[] = [
    {
      what: 'of another VPN',
      credentials: async () => {
        const other = await CertificateBed.create('other');
        return other.issue(other.member('north', 'n1'));
      },
      countedAs: 'wrong-vpn',
      says: /your certificate is refused: expected corp/,
    },
    {
      what: 'of another VPN that has the same name',
      credentials: () => forge.issue(n1()),
      countedAs: 'untrusted',
      says: /your certificate is refused/,
    },
    {
      what: 'with a CN and no other name',
      credentials: async () =>
        forge.forge({
          issuer: await north(),
          extensions: usageExtensions('member'),
          subject: distinguishedName([commonName, dnsNameOf(n1())]),
        }),
      countedAs: 'no-name',
      says: /your certificate is refused/,
    },
    {
      what: 'with a second name',
      credentials: async () =>
        forge.forge({
          issuer: await north(),
          extensions: [bothNames(), ...usageExtensions('member')],
        }),
      countedAs: 'extra-name',
      says: /your certificate is refused/,
    },
    {
      what: 'of a member of this subset, made with the stolen authority of another',
      credentials: async () =>
        forge.forge({ issuer: await south(), extensions: honestExtensions(n1()) }),
      countedAs: 'wrong-subset',
      says: /your certificate is refused/,
    },
    {
      what: 'of an operator, made with the stolen authority of a subset',
      credentials: async () =>
        forge.forge({
          issuer: await north(),
          extensions: honestExtensions(forge.operator('admin')),
        }),
      countedAs: 'wrong-use',
      says: /your certificate is refused/,
    },
    {
      what: 'that is right and has expired',
      credentials: async () =>
        forge.forge({
          issuer: await north(),
          extensions: honestExtensions(n1()),
          period: justEnded(),
        }),
      countedAs: 'not-a-member',
      says: /your certificate has expired: renew it first/,
    },
    {
      what: 'of somebody who is not in the roll, made with the stolen authority of the subset',
      credentials: async () =>
        forge.forge({
          issuer: await north(),
          extensions: honestExtensions(forge.member('north', 'ghost')),
        }),
      countedAs: 'not-a-member',
      says: /ghost is not in the roll of north/,
    },
    {
      what: 'with the name of a member and another key',
      credentials: async () =>
        forge.forge({ issuer: await north(), extensions: honestExtensions(n1()) }),
      countedAs: 'not-a-member',
      says: /n1 is not in the roll of north/,
    },
    {
      what: 'of a member of another subset',
      credentials: async () =>
        forge.forge({
          issuer: await south(),
          extensions: honestExtensions(forge.member('south', 's1')),
        }),
      countedAs: 'wrong-master',
      says: /south is governed by south-1: ask there/,
    },
    {
      what: 'of a master',
      credentials: async () =>
        forge.forge({
          issuer: await readRoot(bed.vpn),
          extensions: honestExtensions(forge.master('south-1')),
          intermediates: [],
        }),
      countedAs: 'not-a-member',
      says: /south-1 is no member but a master/,
    },
  ];

  for (const { what, credentials, countedAs, says } of attacks) {
    it(`begins no session: one ${what}`, async () => {
      const own = await credentials();
      const { message } = await bed.refusal(() => bed.resume(own), { countedAs });
      assert.match(message, says);
    });
  }

  it('does not renew itself: one that expired, of somebody who is not in the roll', async () => {
    const expired = await forge.forge({
      issuer: await north(),
      extensions: honestExtensions(forge.member('north', 'ghost')),
      period: justEnded(),
    });
    const renew = async () => {
      const session = await new SessionNode('ghost', expired).connect(bed.north.endpoint);
      session.send({ type: 'renew' });
      return session;
    };
    const { message } = await bed.refusal(renew, { countedAs: 'not-a-member' });
    assert.match(message, /ghost is not in the roll of north/);
  });

  it('asks nothing of the operator’s API', async () => {
    const token = await bed.operator.invite('north');
    const node = new SessionNode('curious');
    await using _session = (await node.join(bed.north.endpoint, token)).session;
    const asMember: Credentials = { chain: node.chain, keyPair: node.keyPair };
    const asMaster = await forge.forge({
      issuer: await readRoot(bed.vpn),
      extensions: honestExtensions(forge.master('south-1')),
      intermediates: [],
    });
    const asForger = await forge.issue(forge.operator('admin'));
    const requests = [
      ['GET', '/v1/directory'],
      ['GET', '/v1/status'],
      ['GET', '/v1/events'],
      ['GET', '/v1/subsets/north/members'],
      ['POST', '/v1/subsets/north/invites', {}],
      ['POST', '/v1/subsets/north/members/n1/removal', { kind: 'ban' }],
      ['POST', '/v1/subsets/north/members/n1/unban', {}],
    ] as const;
    for (const [method, path, body] of requests) {
      for (const [who, credentials] of [
        ['a member', asMember],
        ['a master', asMaster],
        ['a forged operator', asForger],
        ['nobody', undefined],
      ] as const) {
        const options = { ...(credentials ? { credentials } : {}), ...(body ? { body } : {}) };
        const { status, body: answer } = await bed.http(method, path, options);
        assert.equal(status, 403, `${who}: ${method} ${path}: ${answer}`);
        assert.match(answer, /this is for operators|your certificate|present a client certificate/);
      }
    }
  });

  it('leaves everybody else in peace, whatever it was', async () => {
    await bed.assertUndisturbed();
  });
});
