import type { Readable } from 'node:stream';

/** What a stream said, up to a limit. */
export interface BoundedOutput {
  readonly text: () => string;
  readonly isCut: () => boolean;
}

/**
 * Collects a stream until `maxBytes`; what comes after is read and thrown away, so that the writer
 * never blocks.
 *
 * @param onCut called once, when the limit is passed
 */
export function collectOutput(
  stream: Readable,
  maxBytes: number,
  onCut?: () => void,
): BoundedOutput {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isCut = false;
  stream.on('data', (chunk: Buffer) => {
    const room = maxBytes - bytes;
    if (chunk.length <= room) {
      chunks.push(chunk);
    } else if (!isCut) {
      chunks.push(chunk.subarray(0, room));
      isCut = true;
      onCut?.();
    }
    bytes = Math.min(maxBytes, bytes + chunk.length);
  });
  return { text: () => Buffer.concat(chunks).toString('utf8'), isCut: () => isCut };
}
