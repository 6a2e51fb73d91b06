/*
 * One end of a `TcpExchange`:
 *   node tcp-exchange-main.ts echo PORT
 *   node tcp-exchange-main.ts send ADDRESS PORT
 * Until SIGTERM; the sender then prints its `TcpRecord` as one line of JSON.
 */
import { connect, createServer } from 'node:net';
import type { TcpRecord } from './tcp-exchange.ts';

const intervalMs = 10;
const [mode, ...rest] = process.argv.slice(2);
if (mode === 'echo') echo(Number(rest[0]));
else send(rest[0] ?? '', Number(rest[1]));

function echo(port: number): void {
  const server = createServer((socket) => {
    say(`from ${socket.remoteAddress?.replace('::ffff:', '')}`);
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen(port, '::', () => say('ready'));
  process.on('SIGTERM', () => process.exit());
}

function send(address: string, port: number): void {
  const socket = connect(port, address);
  let [sent, echoed, lastMs, longestGapMs] = [0, 0, performance.now(), 0];
  let isOpen = false;
  socket.setNoDelay();
  socket.on('data', (data) => {
    echoed += data.length;
    const nowMs = performance.now();
    longestGapMs = Math.max(longestGapMs, nowMs - lastMs);
    lastMs = nowMs;
  });
  socket.on('connect', () => {
    isOpen = true;
    lastMs = performance.now();
    say('connected');
    setInterval(() => isOpen && socket.write('.') && sent++, intervalMs);
  });
  const lost = () => {
    isOpen = false;
  };
  socket.on('error', lost);
  socket.on('close', lost);
  process.on('SIGTERM', () => {
    longestGapMs = Math.max(longestGapMs, performance.now() - lastMs);
    const record: TcpRecord = { sent, echoed, isOpen, longestGapMs };
    process.stdout.write(`${JSON.stringify(record)}\n`, () => process.exit());
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
