import { styleText } from 'node:util';

/** One of the two streams that a command writes to. */
export interface Output {
  write(text: string): void;
  /** Whether a person watches: only then are there colours and lines that change. */
  readonly isTerminal: boolean;
}

/** What a command says: results to `out`, everything else to `err`. */
export interface Terminal {
  readonly out: Output;
  readonly err: Output;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

/** Colours text for a terminal; leaves it alone for anything else, and where NO_COLOR is set. */
export function paint(output: Output, style: Style, text: string): string {
  const { NO_COLOR: noColor } = process.env;
  return output.isTerminal && !noColor ? styleText(style, text, { validateStream: false }) : text;
}

/**
 * The process's own streams.
 * @param onClosed called when nobody reads standard output any more, as after `| head`
 */
export function processTerminal(onClosed: () => void): Terminal {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    onClosed();
  });
  return { out: outputTo(process.stdout), err: outputTo(process.stderr) };
}

function outputTo(stream: NodeJS.WriteStream): Output {
  return {
    write: (text) => {
      stream.write(text);
    },
    isTerminal: stream.isTTY === true,
  };
}
