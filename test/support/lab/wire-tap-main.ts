/*
 * One half of a `WireTap`, inside a node's network namespace:
 *   node wire-tap-main.ts record
 *   node wire-tap-main.ts replay, with what was recorded as lines on standard input
 * The first prints a line of JSON for each `WireMessage` that the node sends, until SIGTERM.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import koffi from 'koffi';
import type { WireMessage } from './wire-tap.ts';

/** From linux/socket.h, linux/if_ether.h and linux/if_packet.h. */
const packetFamily = 17;
const datagramSocket = 2;
/** All protocols, in the order of bytes on the wire: only so are outgoing packets seen. */
const allProtocols = 0x0300;
const protocolIpv4 = 0x0800;
const outgoing = 4;
const dontWait = 0x40;
const addressBytes = 20;

const udpProtocol = 17;
const udpHeaderBytes = 8;
const pollMs = 5;

if (process.argv[2] === 'record') await record();
else await replay();

async function record(): Promise<void> {
  const libc = koffi.load('libc.so.6');
  const openSocket = libc.func('int socket(int family, int type, int protocol)');
  const receive = libc.func(
    'long recvfrom(int fd, void *buffer, size_t size, int flags, void *from, void *length)',
  );
  const fd = openSocket(packetFamily, datagramSocket, allProtocols);
  if (fd < 0) throw new Error(`cannot listen to the wire: errno ${koffi.errno()}`);
  const packet = Buffer.alloc(65_536);
  const from = Buffer.alloc(addressBytes);
  const fromLength = Buffer.alloc(4);
  process.stdout.write('recording\n');
  for (;;) {
    fromLength.writeInt32LE(addressBytes);
    const size = Number(receive(fd, packet, packet.length, dontWait, from, fromLength));
    if (size <= 0) await delay(pollMs);
    else if (from.readUInt16BE(2) === protocolIpv4 && from[10] === outgoing) {
      const message = parseMessage(packet.subarray(0, size));
      if (message) process.stdout.write(`${JSON.stringify(message)}\n`);
    }
  }
}

/** Undefined for what is not a whole message of WireGuard in an IPv4 packet. */
function parseMessage(packet: Buffer): WireMessage | undefined {
  const headerBytes = (packet.readUInt8() & 0x0f) * 4;
  if (packet[9] !== udpProtocol || packet.length < headerBytes + udpHeaderBytes + 4) return;
  const payload = packet.subarray(headerBytes + udpHeaderBytes);
  // A type of one byte, and three that are zero (WireGuard's whitepaper §5.4).
  const type = payload.readUInt32LE();
  if (type < 1 || type > 4) return;
  return {
    type,
    fromPort: packet.readUInt16BE(headerBytes),
    toAddress: packet.subarray(16, 20).join('.'),
    toPort: packet.readUInt16BE(headerBytes + 2),
    payload: payload.toString('base64'),
  };
}

/** From the ports that they came from, in their order. */
async function replay(): Promise<void> {
  const lines = (await text(process.stdin)).split('\n').filter(Boolean);
  const sockets = new Map<number, ReturnType<typeof createSocket>>();
  for (const line of lines) {
    const { fromPort, toAddress, toPort, payload } = JSON.parse(line) as WireMessage;
    const socket = sockets.get(fromPort) ?? createSocket('udp4');
    if (!sockets.has(fromPort)) {
      sockets.set(fromPort, socket.bind(fromPort));
      await once(socket, 'listening');
    }
    await new Promise((resolve) =>
      socket.send(Buffer.from(payload, 'base64'), toPort, toAddress, resolve),
    );
    // WireGuard drops more than twenty initiations a second of one address when it is busy (whitepaper §5.3).
    await delay(pollMs);
  }
  for (const socket of sockets.values()) socket.close();
}
