import type { Output } from '../terminal.ts';

/** Prints one document for programs, indented because people read it too. */
export function writeJson(output: Output, document: unknown): void {
  output.write(`${JSON.stringify(document, null, 2)}\n`);
}

/** Prints one line of a stream for programs. */
export function writeJsonLine(output: Output, document: unknown): void {
  output.write(`${JSON.stringify(document)}\n`);
}
