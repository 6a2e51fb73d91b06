import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from './lab.ts';
import type { LabNode } from './lab-node.ts';
import { type NatKind, natKinds } from './nat-rules.ts';
import { type UdpDatagram, UdpProbe } from './udp-probe.ts';

/** Longer than any datagram takes on this machine. */
const silenceMs = 300;
const serverPort = 5_000;

/** Whoever sends from a port that nobody can know reaches only those who do not look at it. */
function canMeet(one: NatKind, other: NatKind): boolean {
  const strict = ['port-restricted', 'symmetric'];
  const symmetric = one === 'symmetric' || other === 'symmetric';
  return !(symmetric && strict.includes(one) && strict.includes(other));
}

test('two hosts can meet exactly where the kinds of their NATs allow it', async () => {
  const sites = natKinds.flatMap((nat) =>
    ['left', 'right'].map((side) => ({
      name: `${side}-${nat}`,
      nat,
      hosts: [`${side}-of-${nat}`],
    })),
  );
  await using lab = await createLab({
    topology: { sites: [{ name: 'fra', hosts: ['server'] }, ...sites] },
  });
  await using server = await UdpProbe.open(lab.node('server'), serverPort);
  let port = 10_000;
  for (const [index, one] of natKinds.entries()) {
    for (const other of natKinds.slice(index)) {
      port += 1;
      const meet = await tryToMeet(lab, server, [`left-of-${one}`, `right-of-${other}`], port);
      assert.equal(meet, canMeet(one, other), `${one} and ${other}`);
    }
  }
});

/** Both learn from a server under which endpoint the other is seen, and write there. */
async function tryToMeet(
  lab: Lab,
  server: UdpProbe,
  [left, right]: readonly [string, string],
  port: number,
): Promise<boolean> {
  await using one = await UdpProbe.open(lab.node(left), port);
  await using other = await UdpProbe.open(lab.node(right), port);
  const oneSeen = await seenBy(server, lab.node('server'), one, `${port} one`);
  const otherSeen = await seenBy(server, lab.node('server'), other, `${port} other`);
  for (const round of [1, 2]) {
    one.send(otherSeen, `one ${round}`);
    other.send(oneSeen, `other ${round}`);
    // What comes before its hole is open is lost, in the first round.
    await delay(50);
  }
  const meetings = await Promise.all([
    answers(one, other, 'other 2'),
    answers(other, one, 'one 2'),
  ]);
  return meetings.includes(true);
}

async function seenBy(
  server: UdpProbe,
  node: LabNode,
  probe: UdpProbe,
  text: string,
): Promise<UdpDatagram> {
  probe.send({ address: node.address('ipv4'), port: serverPort }, text);
  const seen = await server.receive(text);
  assert.ok(seen, text);
  return seen;
}

/** Whether what one hears can be answered, so that both hear each other. */
async function answers(hearer: UdpProbe, sender: UdpProbe, text: string): Promise<boolean> {
  const heard = await hearer.receive(text, silenceMs);
  if (!heard) return false;
  hearer.send(heard, `answer to ${text}`);
  return (await sender.receive(`answer to ${text}`)) !== undefined;
}
