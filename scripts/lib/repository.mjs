import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the checkout is. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Programs that npm has installed. */
export const npmPrograms = join(root, 'node_modules', '.bin');

/** The Node that everything but these scripts runs on; there once `setup` has ended. */
export const pinnedNode = join(npmPrograms, 'node');

/** For programs that look for others: npm's come first, and administrators' are found by all. */
export const environment = {
  ...process.env,
  PATH: `${npmPrograms}:${process.env.PATH ?? ''}:/usr/sbin:/sbin`,
};

/** What `build` makes of the sources; there once `setup` has ended, where that was told to build. */
export const builtProgram = join(root, 'dist', 'hanse.mjs');

/** Where Node keeps what it has compiled of the sources, which most tests load again. */
export const compileCache = join(root, 'node_modules', '.cache', 'node');
