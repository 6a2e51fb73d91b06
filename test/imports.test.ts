import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Import {
  readonly from: string;
  /** A path in the repository, or the name of a package with its path. */
  readonly to: string;
  readonly kind: 'file' | 'package';
}

/** What the parts of `src` may import of one another; nothing that is not listed. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  model: [],
  core: ['model'],
  runtime: ['model'],
  trust: ['model', 'runtime'],
  api: ['model', 'core', 'runtime'],
  store: ['model', 'runtime'],
  host: ['model', 'runtime'],
  paths: ['model', 'core', 'runtime'],
  stun: ['model', 'runtime'],
  provision: ['model', 'core', 'runtime', 'trust', 'api', 'store'],
  master: [
    'model',
    'core',
    'runtime',
    'trust',
    'api',
    'store',
    'host',
    'paths',
    'stun',
    'provision',
  ],
  member: ['model', 'core', 'runtime', 'trust', 'api', 'host', 'paths', 'stun'],
  cli: [
    ...['model', 'core', 'runtime', 'trust', 'api', 'store', 'host', 'provision'],
    ...['master', 'member'],
  ],
  bin: ['cli'],
};

/** What only some parts may import, and why. */
const reserved: readonly {
  readonly what: RegExp;
  readonly within: readonly RegExp[];
  readonly why: string;
}[] = [
  {
    what: /^node:child_process$/,
    within: [/^src\/host\/runner\.ts$/],
    why: 'one runner starts all processes, so that all are logged, limited and ended alike',
  },
  {
    what: /^(@peculiar\/|pkijs|asn1js|reflect-metadata|jose)/,
    within: [/^src\/trust\//],
    why: 'certificates and tokens are read and written in one place, which checks all of them',
  },
  {
    what: /^node:sqlite$/,
    within: [/^src\/store\/sqlite\//, /^src\/runtime\/directory-lock\.ts$/],
    why: 'everybody else knows the store by its interface; the lock borrows the kernel lock of a file',
  },
  {
    what: /^(@grpc\/|@bufbuild\/)/,
    within: [/^src\/store\/etcd\//],
    why: 'everybody else knows the store by its interface',
  },
];

const modelPackages = ['zod', 'ipaddr.js'];

function layerOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

async function filesUnder(folder: string): Promise<string[]> {
  const names = await readdir(join(root, folder), { recursive: true });
  return names.filter((name) => name.endsWith('.ts')).map((name) => join(folder, name));
}

const isTest = (path: string): boolean => path.endsWith('.test.ts');

/** The module specifiers of static and dynamic imports and of re-exports. */
function specifiersIn(source: string): string[] {
  const pattern =
    /^(?:import|export)\b[^'";]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\(\s*'([^']+)'/gm;
  return Array.from(source.matchAll(pattern), ([, one, two, three]) => one ?? two ?? three ?? '');
}

async function importsOf(path: string): Promise<Import[]> {
  const source = await readFile(join(root, path), 'utf8');
  return specifiersIn(source).map((specifier) =>
    specifier.startsWith('.')
      ? { from: path, to: relative(root, join(root, dirname(path), specifier)), kind: 'file' }
      : { from: path, to: specifier, kind: 'package' },
  );
}

const importsOfAll = async (paths: readonly string[]): Promise<Import[]> =>
  (await Promise.all(paths.map(importsOf))).flat();

const sources = (await filesUnder('src')).filter((path) => !isTest(path));
const sourceImports = await importsOfAll(sources);
const show = ({ from, to }: Import, why: string): string => `${from} imports ${to}: ${why}`;

test('every form of import is seen', () => {
  const source = [
    "import 'a';",
    "import type { B } from 'b';",
    "import {\n  c,\n} from 'c';",
    "export * from 'd';",
    "const e = await import('e');",
    "const text = 'import from';",
  ].join('\n');
  assert.deepEqual(specifiersIn(source), ['a', 'b', 'c', 'd', 'e']);
});

test('the parts of src import only what is below them', () => {
  const wrong = sourceImports.flatMap((found) => {
    const [from, to] = [layerOf(found.from), layerOf(found.to)];
    if (found.kind === 'package' || from === undefined || from === to) return [];
    const allowed = mayImport[from];
    if (!allowed) return [`${found.from}: the part ${from} is not in the list of this test`];
    if (to === undefined) return [show(found, 'src imports nothing outside of itself')];
    return allowed.includes(to) ? [] : [show(found, `${from} may import ${allowed.join(', ')}`)];
  });
  assert.deepEqual(wrong, []);
});

test('model and core do nothing but think', () => {
  const wrong = sourceImports.flatMap((found) => {
    const layer = layerOf(found.from);
    if (found.kind === 'file' || (layer !== 'model' && layer !== 'core')) return [];
    if (modelPackages.includes(found.to)) return [];
    return [
      show(found, `${layer} may import ${modelPackages.join(' and ')} only: no input, no output`),
    ];
  });
  assert.deepEqual(wrong, []);
});

test('what is reserved is imported where it belongs', () => {
  const wrong = sourceImports.flatMap((found) =>
    reserved
      .filter(({ what }) => found.kind === 'package' && what.test(found.to))
      .filter(({ within }) => !within.some((pattern) => pattern.test(found.from)))
      .map(({ why }) => show(found, why)),
  );
  assert.deepEqual(wrong, []);
});

test('the lab knows the process runner and nothing of Hanse', async () => {
  const allowed =
    /^(lab\/|src\/runtime\/|src\/host\/(runner|host-error)\.ts$|src\/model\/error\.ts$)/;
  const files = (await filesUnder('lab')).filter((path) => !isTest(path));
  const wrong = (await importsOfAll(files))
    .filter(({ kind, to }) => kind === 'file' && !allowed.test(to))
    .map((found) => show(found, 'the lab must work for whatever runs in it'));
  assert.deepEqual(wrong, []);
});

test('every folder of src and lab says what it is for', async () => {
  const folders = new Set(
    [...sources, ...(await filesUnder('lab'))].map((path) =>
      path
        .split(sep)
        .slice(0, path.startsWith('src') ? 2 : 1)
        .join(sep),
    ),
  );
  const readmes = await Promise.all(
    [...folders].map(async (folder) =>
      (await readdir(join(root, folder))).includes('README.md') ? [] : [folder],
    ),
  );
  assert.deepEqual(readmes.flat(), [], 'these folders have no README.md');
});

test('every dependency has its reason written down', async () => {
  const manifest: Record<string, Record<string, string> | undefined> = JSON.parse(
    await readFile(join(root, 'package.json'), 'utf8'),
  );
  const reasons = await readFile(join(root, 'docs', 'dependencies.md'), 'utf8');
  const groups = ['dependencies', 'devDependencies', 'optionalDependencies'];
  const names = groups.flatMap((group) => Object.keys(manifest[group] ?? {}));
  const documented = Array.from(reasons.matchAll(/^\| `([^`]+)`/gm), ([, name]) => name);
  assert.deepEqual(documented.toSorted(), names.toSorted());
});

test('the lock names no address to download from', async () => {
  const lock = await readFile(join(root, 'package-lock.json'), 'utf8');
  assert.doesNotMatch(lock, /"resolved"/);
});
