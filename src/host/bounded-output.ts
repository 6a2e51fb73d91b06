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

/**
 * Calls back for each line of a stream, without its end.
 *
 * @param onTooLong called when a line passes `maxBytes`; what there is of it is thrown away
 */
export function splitLines(
  stream: Readable,
  maxBytes: number,
  {
    onLine,
    onTooLong,
  }: { readonly onLine: (line: string) => void; readonly onTooLong: () => void },
): void {
  let parts: Buffer[] = [];
  let bytes = 0;
  const keep = (part: Buffer): void => {
    bytes += part.length;
    if (bytes <= maxBytes) parts.push(part);
    else onTooLong();
  };
  stream.on('data', (chunk: Buffer) => {
    let start = 0;
    for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', start)) {
      keep(chunk.subarray(start, end));
      onLine(Buffer.concat(parts).toString('utf8'));
      parts = [];
      bytes = 0;
      start = end + 1;
    }
    keep(chunk.subarray(start));
  });
}
