/*
 * Replaces a file for ever, `node durable-writer.ts PATH`, until it is killed: for
 * `src/runtime/durable-file.test.ts`. Each content is one letter, many times.
 */
import { writeDurably } from '../../src/runtime/durable-file.ts';

const path = process.argv[2] ?? '';
for (let round = 0; ; round += 1) {
  await writeDurably(path, String.fromCharCode(97 + (round % 26)).repeat(200_000));
  if (round === 0) process.send?.('writing');
}
