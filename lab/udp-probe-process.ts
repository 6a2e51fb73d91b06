/*
 * The socket of a `UdpProbe`: node udp-probe-process.ts PORT
 * Sends what the lines of its input say and prints what it receives, until its input ends.
 */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';
import type { UdpDatagram } from './udp-probe.ts';

/** How a socket of both families writes IPv4 addresses (RFC 4291 §2.5.5.2). */
const mappedPrefix = '::ffff:';

const print = (line: object): void => console.log(JSON.stringify(line));

const socket = createSocket('udp6');
socket.on('message', (message, { address, port }) => {
  print({ address: address.replace(mappedPrefix, ''), port, text: message.toString() });
});
socket.bind(Number(process.argv[2]), '::', () => print({ listening: true }));

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const { address, port, text } = JSON.parse(line) as UdpDatagram;
  // A route that is away for a moment is a lost packet, and nothing else.
  socket.send(text, port, isIPv6(address) ? address : mappedPrefix + address, () => undefined);
});
input.on('close', () => socket.close());
