import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/lab-process.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { ArrivedPackets } from '../support/lab/arrived-packets.ts';
import { readMembership } from '../support/lab/member-session.ts';
import { isCutOff, reaches } from '../support/lab/reachability.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../support/lab/lying-master-main.ts', import.meta.url));
const slowMs = 60_000;

const topology = {
  sites: [
    { name: 'north-net', hosts: ['north-1', 'n1'] },
    { name: 'south-net', hosts: ['south-1', 's1', 'evil'] },
    { name: 'west-net', hosts: ['west-1', 'w1'] },
  ],
};

describe('a master that says its accomplice has addresses of another subset', {
  timeout: 300_000,
}, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let rogue: LabProcess;
  let n1: LabMember;
  let s1: LabMember;
  let evil: LabMember;
  let w1: LabMember;
  let unused: string;

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, {
      name: 'corp',
      masters: [
        { host: 'north-1', subset: 'north' },
        { host: 'south-1', subset: 'south' },
        { host: 'west-1', subset: 'west' },
      ],
      createOptions: ['--keying', 'shared'],
    });
    await vpn.startMasters();
    n1 = await vpn.join('n1', 'north');
    w1 = await vpn.join('w1', 'west');
    s1 = await vpn.join('s1', 'south');
    evil = await vpn.join('evil', 'south');
    unused = w1.ipv6.replace(/[0-9a-f]+$/, '77');
    await vpn.master('south-1').kill();
    rogue = await startRogue();
  });
  after(() => lab?.[Symbol.asyncDispose]());

  async function startRogue(): Promise<LabProcess> {
    const attacks = [w1.ipv4, unused].flatMap((lie) => ['north-1', 'north', n1.ipv4, lie]);
    const line = [program, vpn.directory, 'south-1', 'south', 'evil', 'west', ...attacks];
    const started = await lab.node('south-1').start(process.execPath, line);
    await started.waitForOutput(/acting for the subset/, slowMs);
    return started;
  }

  const refusals = async (member: LabMember): Promise<number> =>
    (await readMembership(member))?.introductionsRefused ?? 0;

  it('is believed where it says the truth', async () => {
    for (const [from, to] of [
      [s1, evil],
      [n1, evil],
      [s1, n1],
      [n1, w1],
    ] as const) {
      await until(`${from.name} reaches ${to.name}`, () => reaches(from, to.ipv6), slowMs);
      await until(`${from.name} reaches ${to.name}`, () => reaches(from, to.ipv4), slowMs);
    }
  });

  it('is not believed by its own members, who send nothing to the accomplice', async () => {
    const arrived = await ArrivedPackets.count(evil.node, [w1.ipv4, w1.ipv6, unused]);
    for (const address of [w1.ipv4, w1.ipv6, unused]) {
      const before = await refusals(s1);
      assert.ok(await isCutOff(s1, address), 'it can withhold who is really there');
      await rogue.waitForOutput(new RegExp(`^${address}: told s1$`, 'm'), slowMs);
      await until('the lie is refused', async () => (await refusals(s1)) > before, slowMs);
    }
    assert.equal(await arrived.stop(), 0);
  });

  it('is not believed by another master, whose members reach whom they mean', async () => {
    const arrived = await ArrivedPackets.count(evil.node, [w1.ipv4, unused]);
    // An IPv6 address says by itself whose subset it is in; an IPv4 one, the certificate does.
    for (const [lie, why] of [
      [w1.ipv4, 'of its certificate'],
      [unused, 'south-1 has no member at'],
    ] as const) {
      await rogue.waitForOutput(new RegExp(`^${lie}: refused by north-1: .*${why}`, 'm'), slowMs);
    }
    assert.ok(await reaches(n1, w1.ipv4));
    assert.ok(await isCutOff(n1, unused));
    assert.doesNotMatch(await rogue.output(), /believed by/);
    assert.equal(await arrived.stop(), 0);
    assert.ok(await reaches(s1, evil.ipv4), 'and the accomplice is who it is');
  });
});
