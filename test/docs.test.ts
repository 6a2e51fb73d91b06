import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { createProgram } from '../src/cli/program.ts';
import { processTerminal } from '../src/cli/terminal.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const notOurs = new Set(['node_modules', 'dist', '.git']);

interface Page {
  /** Relative to the repository. */
  readonly path: string;
  readonly text: string;
}

const pages = await readPages();
const manual = pages.filter(({ path }) => path === 'README.md' || path.startsWith('docs/'));

test('every relative link of every page leads to a file and to a heading in it', () => {
  const anchors = new Map(pages.map(({ path, text }) => [path, anchorsOf(text)]));
  const broken = pages.flatMap((page) =>
    linksOf(page.text).flatMap((link) => {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? page.path : normalize(join(dirname(page.path), file));
      const isThere = existsSync(join(root, target));
      const headings = anchors.get(target);
      const isHeading = anchor === undefined || headings === undefined || headings.has(anchor);
      return isThere && isHeading ? [] : [`${page.path}: ${link}`];
    }),
  );
  assert.deepEqual(broken, []);
});

test('every command of the manual is one of the program, with options that it has', () => {
  const program = createProgram(
    processTerminal(() => undefined),
    async () => undefined,
  );
  const calls = manual.flatMap(({ path, text }) =>
    commandsIn(text).map((call) => ({ path, call })),
  );
  assert.ok(calls.length > 50, `only ${calls.length} commands were found`);
  const wrong = calls.flatMap(({ path, call }) => {
    const problem = findProblem(program, call);
    return problem === undefined ? [] : [`${path}: hanse ${call}: ${problem}`];
  });
  assert.deepEqual(wrong, []);
});

test('commands are found in blocks, after prompts and pipes, and in running text', () => {
  const text = [
    '```',
    '$ hanse invite create --subset a | ssh box hanse member join - --name b',
    'ExecStart=/usr/local/bin/hanse master run --name %i',
    'hanse: what it says is no command',
    '```',
    'Run `hanse status` or `npm start`; a hanse store is not one.',
  ].join('\n');
  assert.deepEqual(commandsIn(text), [
    'invite create --subset a',
    'member join - --name b',
    'master run --name %i',
    'status',
  ]);
});

test('the manual names the metrics that there are, and all of them', async () => {
  const sources = (await filesUnder('src', '.ts')).filter((path) => !path.endsWith('.test.ts'));
  const texts = await Promise.all(sources.map((path) => readFile(join(root, path), 'utf8')));
  const inSource = new Set(texts.flatMap((text) => metricsIn(text, /'(hanse_[a-z][a-z_]*)'/g)));
  const inManual = new Set(
    manual.flatMap(({ text }) => metricsIn(text, /\b(hanse_[a-z][a-z_]*)\b/g)),
  );
  assert.deepEqual([...inManual].sort(), [...inSource].sort());
});

async function readPages(): Promise<readonly Page[]> {
  const paths = await filesUnder('.', '.md');
  return Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(join(root, path), 'utf8') })),
  );
}

async function filesUnder(folder: string, extension: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = relative('.', join(folder, entry.name));
      if (entry.isDirectory()) return notOurs.has(entry.name) ? [] : filesUnder(path, extension);
      return entry.name.endsWith(extension) ? [path] : [];
    }),
  );
  return found.flat();
}

/** Targets of Markdown links, but for those that lead elsewhere in the world. */
function linksOf(text: string): readonly string[] {
  return Array.from(
    withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g),
    ([, link]) => link ?? '',
  ).filter((link) => !/^[a-z]+:/.test(link));
}

/** What GitHub makes of headings: lower case, without punctuation, with hyphens for spaces. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = withoutBlocks(text).matchAll(/^#+ (.+)$/gm);
  return new Set(
    Array.from(headings, ([, heading]) =>
      (heading ?? '')
        .toLowerCase()
        .replace(/[^\p{Letter}\p{Number} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

const block = /^```.*\n([\s\S]*?)^```$/gm;

function withoutBlocks(text: string): string {
  return text.replace(block, '');
}

/** What follows `hanse` in blocks of code, and in code within sentences. */
function commandsIn(text: string): readonly string[] {
  const blocks = Array.from(text.matchAll(block), ([, code]) => code ?? '');
  const spans = Array.from(withoutBlocks(text).matchAll(/`([^`]+)`/g), ([, code]) => code ?? '');
  return [...blocks.flatMap((code) => code.split('\n')), ...spans].flatMap((line) =>
    Array.from(line.matchAll(/(?:^|[\s/(])hanse ([a-z][^|;)]*)/g), ([, call]) =>
      (call ?? '').replace(/\s+(#|&&|2?>).*$/, '').trim(),
    ),
  );
}

/** Why the program would not understand the call; its arguments are not looked at. */
function findProblem(program: Command, call: string): string | undefined {
  let command = program;
  const words = call.split(/\s+/);
  while (command.commands.length > 0) {
    const word = words.shift() ?? '';
    const found = command.commands.find((candidate) => candidate.name() === word);
    if (!found) return `there is no command "${word}" of ${command.name()}`;
    command = found;
  }
  if (!command.helpInformation().includes('Usage:')) return 'it has no help';
  const known = new Set(['--help', ...command.options.map(({ long }) => long)]);
  const unknown = words.find((word) => word.startsWith('--') && !known.has(word));
  return unknown === undefined ? undefined : `it has no option ${unknown}`;
}

function metricsIn(text: string, pattern: RegExp): readonly string[] {
  return Array.from(text.matchAll(pattern), ([, name]) => name ?? '');
}
