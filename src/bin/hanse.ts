#!/usr/bin/env node
// Not by `--enable-source-maps`: that has each logger look its caller up in the maps, an eighth of a second for each start.
process.setSourceMapsEnabled(true);
const { runCommandLine } = await import('../cli/command-line.ts');
process.exitCode = await runCommandLine(process.argv.slice(2));
