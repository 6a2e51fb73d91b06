// `npm start`: everything that is needed, and then the demo.
import { pinnedNode } from './lib/repository.mjs';
import { becomeCommand } from './lib/run-command.mjs';
import { setUpAndThen } from './setup.mjs';

await setUpAndThen({ need: { lab: true, build: true } }, () =>
  becomeCommand(pinnedNode, ['demo/main.ts', ...process.argv.slice(2)]),
);
