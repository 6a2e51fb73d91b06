import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const built = fileURLToPath(new URL('../../bin/hanse', import.meta.url));
const source = fileURLToPath(new URL('../../src/bin/hanse.ts', import.meta.url));

/** The command line that is `hanse`: what `npm run build` made, else the sources, which start slower. */
export function hanseCommand(args: readonly string[]): readonly [string, ...string[]] {
  return existsSync(built) ? [built, ...args] : [process.execPath, source, ...args];
}
