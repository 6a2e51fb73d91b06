import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLab } from '../../lab/lab.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { PingStream } from '../support/lab/ping-stream.ts';

const topology = {
  sites: [
    { name: 'west', hosts: ['fra', 'web', 'db', 'late-1', 'late-3'] },
    { name: 'east', hosts: ['sin', 'cam', 'late-2'] },
  ],
};

test('killing and restarting masters costs no packet, within a subset and between two', async () => {
  await using lab = await createLab({ topology });
  const vpn = await LabVpn.create(lab, {
    name: 'demo',
    masters: [
      { host: 'fra', subset: 'europe' },
      { host: 'sin', subset: 'asia' },
    ],
  });
  await vpn.startMasters();
  const [web, db, cam] = await Promise.all([
    vpn.join('web', 'europe'),
    vpn.join('db', 'europe'),
    vpn.join('cam', 'asia'),
  ]);
  const streams = [
    await PingStream.start(web.node, db.ipv4),
    await PingStream.start(web.node, cam.ipv4),
  ];
  for (const [index, name] of ['fra', 'sin', 'fra'].entries()) {
    const master = vpn.master(name);
    await master.kill();
    await master.start();
    // A join waits for the master to have brought its tunnels up to date.
    await vpn.join(`late-${index + 1}`, master.subset);
  }
  for (const stream of streams) {
    const { answered, lost } = await stream.stop();
    assert.ok(answered > 100, `only ${answered} answers came`);
    assert.deepEqual(lost, []);
  }
});
