import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLab } from '../../lab/lab.ts';
import type { LabNode } from '../../lab/lab-node.ts';
import { hanseProgram } from '../../lab/vpn/hanse-program.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { until } from '../support/until.ts';

async function ownInterfaces(node: LabNode): Promise<string[]> {
  const { stdout } = await node.run('ip', ['-brief', 'link']);
  return stdout.split('\n').filter((line) => line.startsWith('hns'));
}

test('tunnels outlive their daemons until they are taken down, and not while those run', async () => {
  await using lab = await createLab({
    topology: { sites: [{ name: 'site', hosts: ['fra', 'web'] }] },
  });
  const vpn = await LabVpn.create(lab, {
    name: 'demo',
    masters: [{ host: 'fra', subset: 'europe' }],
  });
  await vpn.startMasters();
  const member = await vpn.join('web', 'europe');
  const master = vpn.master('fra');
  const masterDown = ['master', 'down', '--name', 'fra', '--dir', vpn.directory];
  const memberDown = ['member', 'down', '--dir', member.directory];
  await assert.rejects(master.node.run(hanseProgram, masterDown), /another daemon runs/);
  await assert.rejects(member.node.run(hanseProgram, memberDown), /another daemon runs/);

  await master.process.stop();
  await member.process.stop();
  // Towards members, and the rendezvous.
  assert.equal((await ownInterfaces(master.node)).length, 2);
  assert.equal((await ownInterfaces(member.node)).length, 1);
  await master.node.run(hanseProgram, masterDown);
  await member.node.run(hanseProgram, memberDown);
  assert.deepEqual(await ownInterfaces(master.node), []);
  assert.deepEqual(await ownInterfaces(member.node), []);

  await master.start();
  await member.restart();
  await until('the member reaches its master again', async () => {
    const { received } = await member.node.ping('100.64.0.1');
    return received > 0;
  });
});
