import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hanseProgram } from '../../lab/vpn/hanse-program.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { parseMasterName, parseSubsetName } from '../../src/model/names.ts';
import { decodeRecord, encodeRecord } from '../../src/model/records/codec.ts';
import { subsetRecordSchema } from '../../src/model/records/directory.ts';
import { dataDirectory } from '../../src/provision/data-directory.ts';
import { subsetKey } from '../../src/store/keys.ts';
import { openStore } from '../../src/store/open-store.ts';
import { CertificateBed, honestExtensions } from '../support/certificate-bed.ts';
import { hanseOutcome } from '../support/lab/hanse-outcome.ts';
import { HostileBed } from '../support/lab/hostile-bed.ts';
import { readMembership, untilSession } from '../support/lab/member-session.ts';
import { reaches } from '../support/lab/reachability.ts';
import { readRoot, stealAuthority } from '../support/lab/stolen-keys.ts';
import { until } from '../support/until.ts';

const rogueProgram = fileURLToPath(new URL('../support/lab/rogue-master-main.ts', import.meta.url));
const slowMs = 60_000;

describe('a master that reaches for another one’s subset', { timeout: 300_000 }, () => {
  let bed: HostileBed;
  let s1: LabMember;
  let token: string;
  before(async () => {
    bed = await HostileBed.create();
    s1 = await bed.vpn.join('s1', 'south');
    await untilSession(s1, 'live');
    // Made while all was well, and for the master of south.
    token = await bed.vpn.invite('south');
  });
  after(async () => {
    await bed?.[Symbol.asyncDispose]();
  });

  it('admits nobody to it, although it has written into the directory that it may', async () => {
    // While the right one is away: it would hand its members over, as the directory seems to wish.
    await bed.vpn.master('south-1').kill();
    await actFor('north-1');
    const { process } = bed.vpn.master('north-1');
    await process.waitForOutput(/north-1 has no authority to issue for south/, slowMs);
    const outcome = await joinSouth(token);
    assert.match(outcome, /join not answered/);
    const invite = await hanseOutcome(
      bed.vpn.master('north-1').node,
      ['invite', 'create', '--subset', 'south'],
      { HANSE_DIR: bed.vpn.directory },
    );
    assert.equal(invite.exitCode, 4, invite.output);
    assert.match(invite.output, /about to act for south|is not reached|cannot/);
    assert.ok(await process.isRunning(), 'it serves its own subset still');
    // Whoever may write the directory can stop the traffic; it goes on as soon as that is undone.
    await actFor('south-1');
    await until('traffic goes on', () => reaches(bed.member, s1.ipv4), slowMs);
  });

  for (const [what, credentials] of [
    [
      'with the authority of its own subset',
      async () => {
        const issuer = await stealAuthority(bed.vpn, { subset: 'north', master: 'north-1' });
        const forge = await CertificateBed.create('corp');
        const extensions = honestExtensions(forge.master('south-1'));
        return forge.forge({
          issuer,
          extensions,
          intermediates: [issuer.certificatePem, (await readRoot(bed.vpn)).certificatePem],
        });
      },
    ],
    [
      'with its own certificate',
      async () => {
        const issuer = await readRoot(bed.vpn);
        const forge = await CertificateBed.create('corp');
        const extensions = honestExtensions(forge.master('north-1'));
        return forge.forge({ issuer, extensions, intermediates: [issuer.certificatePem] });
      },
    ],
  ] as const) {
    it(`is not believed by members when it answers in that one’s place ${what}`, async () => {
      const { chain, keyPair } = await credentials();
      const files = ['rogue.pem', 'rogue.key'].map((name) => join(bed.lab.directory, name));
      const [chainFile = '', keyFile = ''] = files;
      await writeFile(chainFile, chain.join('\n'));
      await writeFile(keyFile, keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
      const { node } = bed.vpn.master('south-1');
      await using rogue = await node.start(process.execPath, [rogueProgram, chainFile, keyFile]);
      await rogue.waitForOutput(/listening/, slowMs);

      // The member retries by itself, and so does the newcomer.
      await rogue.waitForOutput(/connection/, slowMs);
      await until(
        'the member says why',
        async () => {
          const { session } = (await readMembership(s1)) ?? {};
          return /is not the master that it should be/.test(session?.lastError ?? '');
        },
        slowMs,
      );
      const outcome = await hanseOutcome(bed.lab.node('s1'), [
        ...['member', 'join', token, '--name', 's9', '--dir', join(bed.lab.directory, 's9')],
      ]);
      assert.equal(outcome.exitCode, 3, outcome.output);
      assert.doesNotMatch(await rogue.output(), /session/, 'nobody opened a session with it');
      assert.ok(await reaches(bed.member, s1.ipv4), 'and traffic goes on');
    });
  }

  it('is forgotten when the right one is back', async () => {
    await bed.vpn.master('south-1').start();
    await untilSession(s1, 'live');
    const s2 = await bed.vpn.join('s2', 'south', { token });
    assert.ok(await reaches(s2, bed.member.ipv6));
  });

  /** What a thief can write who holds a master's machine: the store itself asks nobody. */
  async function actFor(name: string): Promise<void> {
    await using store = await openStore(`sqlite:${dataDirectory(bed.vpn.directory).storeFile}`);
    const key = subsetKey(parseSubsetName('south'));
    const entry = await store.get(key);
    assert.ok(entry);
    const record = decodeRecord(subsetRecordSchema, key, entry.value);
    const value = encodeRecord({ ...record, acting: parseMasterName(name) });
    await store.transact({ if: [], then: [{ put: key, value }] });
  }

  /** What the daemon says of a join that it has tried for a while. */
  async function joinSouth(invite: string): Promise<string> {
    const directory = join(bed.lab.directory, 's2-early');
    const line = ['member', 'join', invite, '--name', 's2', '--dir', directory];
    await using daemon = await bed.lab.node('s2').start(hanseProgram, line);
    await daemon.waitForOutput(/join not answered/, slowMs);
    return daemon.output();
  }
});
