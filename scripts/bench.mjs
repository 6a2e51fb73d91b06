// `npm run bench -- NAME [--json]`: everything that is needed, and then the measurements.
import { pinnedNode } from './lib/repository.mjs';
import { becomeCommand } from './lib/run-command.mjs';
import { setUpAndThen } from './setup.mjs';

await setUpAndThen({ need: { lab: true, build: true } }, () =>
  becomeCommand(pinnedNode, ['bench/main.ts', ...process.argv.slice(2)]),
);
