/*
 * One end of a `PacketStream`:
 *   node packet-stream-process.ts echo PORT
 *   node packet-stream-process.ts send ADDRESS PORT INTERVAL-MS
 * Until SIGTERM; the sender then prints its `PacketRecord` as one line of JSON.
 */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { PacketRecord } from './packet-stream.ts';

/** Of a packet and its echo: a busy machine lets them wait in the queues of its tunnels. */
const longestFlightMs = 3_000;

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'echo') echo(Number(rest[0]));
else send(rest[0] ?? '', Number(rest[1]), Number(rest[2]));

function echo(port: number): void {
  const socket = createSocket('udp6');
  socket.on('message', (message, { address, port: from }) => socket.send(message, from, address));
  socket.bind(port, '::', () => console.log('ready'));
  process.on('SIGTERM', () => process.exit());
}

function send(address: string, port: number, intervalMs: number): void {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const sentAtMs: number[] = [];
  const answeredAtMs: (number | null)[] = [];
  let isFlowing = false;
  socket.on('message', (message) => {
    const number = message.readUInt32BE();
    if (answeredAtMs[number] === null) answeredAtMs[number] = nowMs();
    // The first packets may have been sent before there was a way.
    if (!isFlowing) console.log('flowing');
    isFlowing = true;
  });
  // A route that is away for a moment is a lost packet, and nothing else.
  socket.on('error', () => undefined);
  const startMs = nowMs();
  const timer = setInterval(() => {
    // A late timer makes up for what it has missed, so that the gaps are those of the network.
    while (startMs + sentAtMs.length * intervalMs <= nowMs()) {
      const message = numbered(sentAtMs.length);
      sentAtMs.push(nowMs());
      answeredAtMs.push(null);
      socket.send(message, port, address, () => undefined);
    }
  }, intervalMs);
  process.on('SIGTERM', () => {
    clearInterval(timer);
    const stoppedMs = nowMs();
    setInterval(() => {
      if (answeredAtMs.includes(null) && nowMs() - stoppedMs < longestFlightMs) return;
      const record: PacketRecord = { sentAtMs, answeredAtMs };
      process.stdout.write(`${JSON.stringify(record)}\n`, () => process.exit());
    }, 50);
  });
}

/**
 * The number and its complement, so that all packets of a stream have the same checksum. With numbers
 * alone one in 65,536 has the checksum 0, which wireguard-go sends as it is; over IPv6 it has to be
 * 0xffff (RFC 8200 §8.1), and the packet is dropped at the other end.
 */
function numbered(number: number): Buffer {
  const message = Buffer.alloc(64);
  message.writeUInt32BE(number);
  message.writeUInt32BE(~number >>> 0, 4);
  return message;
}

/** Of the machine's monotonic clock, which all processes share. */
function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
