import { readSync, writeSync } from 'node:fs';
import { DelayQueue } from './delay-queue.ts';
import type { DelayedLinkCommand } from './delayed-links.ts';
import { openTap, ReadPoll, readFrame, type TapDevice, writeFrame } from './tap-device.ts';

/*
 * The wires of the links that delay and lose, where the kernel has no netem. Arguments: names of
 * devices, two for each link. Commands come as lines on standard input, each answered by a line when
 * it has taken effect; the first line says that the devices are there. Ends with its standard input,
 * and so with its lab, however that ends.
 */

/** Frames taken from one device before the others have their turn. */
const framesPerTurn = 64;
const standardInput = 0;
const standardOutput = 1;

interface Wire {
  readonly from: TapDevice;
  readonly to: TapDevice;
  readonly queue: DelayQueue;
}

const devices = process.argv.slice(2).map(openTap);
/** Even: from a link's first device, the upper one, to its second; odd: back. */
const wires = devices.map((from, index): Wire => {
  const to = devices[index ^ 1];
  if (!to) throw new Error('devices come in pairs');
  return { from, to, queue: new DelayQueue() };
});

carryPackets();

function carryPackets(): void {
  const poll = new ReadPoll([standardInput, ...devices.map(({ fd }) => fd)]);
  answer();
  for (;;) {
    poll.wait(timeToNextMs());
    if (poll.isReady(0) && !obeyCommands()) return;
    wires.forEach((wire, index) => {
      if (poll.isReady(index + 1)) receive(wire);
      deliver(wire);
    });
  }
}

function timeToNextMs(): number | undefined {
  const dueMs = wires.flatMap(({ queue }) => queue.nextDueMs() ?? []);
  return dueMs.length === 0 ? undefined : Math.min(...dueMs) - performance.now();
}

function receive({ from, queue }: Wire): void {
  for (let count = 0; count < framesPerTurn; count += 1) {
    const packet = readFrame(from);
    if (!packet) return;
    queue.push(packet, performance.now());
  }
}

function deliver({ to, queue }: Wire): void {
  const nowMs = performance.now();
  for (let packet = queue.takeDue(nowMs); packet; packet = queue.takeDue(nowMs)) {
    writeFrame(to, packet);
  }
}

/** @returns whether there can be more */
function obeyCommands(): boolean {
  // Commands are far shorter than what a pipe takes at once, so lines arrive whole.
  const buffer = Buffer.alloc(65_536);
  const size = readSync(standardInput, buffer);
  const lines = buffer.toString('utf8', 0, size).split('\n').filter(Boolean);
  for (const line of lines) {
    const { link, direction, shape } = JSON.parse(line) as DelayedLinkCommand;
    wires[2 * link + (direction === 'up' ? 1 : 0)]?.queue.reshape(shape);
    answer();
  }
  return size > 0;
}

function answer(): void {
  writeSync(standardOutput, 'ok\n');
}
