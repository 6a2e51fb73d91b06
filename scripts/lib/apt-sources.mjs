import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * One archive that apt is told to use. `signedBy` is as written: a path, a fingerprint or an
 * embedded key of several lines; `options` are the other options of the entry.
 *
 * @typedef {{
 *   uris: string[], suites: string[], components: string[],
 *   signedBy: string | undefined, options: Record<string, string>
 * }} AptSource
 */

/** Options that decide whether and how an archive is trusted; a derived entry must keep them. */
const keptOptions = ['Architectures', 'Trusted', 'Check-Valid-Until', 'Snapshot'];

/**
 * The enabled binary archives of this machine, of both forms (sources.list(5)), in apt's order.
 * @param {string} [directory] apt's configuration directory
 * @returns {Promise<AptSource[]>}
 */
export async function readAptSources(directory = '/etc/apt') {
  const parts = join(directory, 'sources.list.d');
  const names = (await readdir(parts).catch(whenMissing([]))).sort();
  const paths = [join(directory, 'sources.list'), ...names.map((name) => join(parts, name))];
  const sources = [];
  for (const path of paths) {
    if (!/\.(list|sources)$/.test(path)) continue;
    const text = await readFile(path, 'utf8').catch(whenMissing(''));
    sources.push(...(path.endsWith('.list') ? parseOneLine(text) : parseDeb822(text)));
  }
  return sources;
}

/**
 * The form `deb [option=value ...] uri suite component ...`.
 * @param {string} text
 * @returns {AptSource[]}
 */
export function parseOneLine(text) {
  const sources = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)([^#]*)/.exec(line);
    if (!match) continue;
    const [, optionText = '', uri, suite, components] = match;
    const fields = new Map();
    for (const option of optionText.trim().split(/\s+/)) {
      const [name, value] = option.split('=', 2);
      if (value !== undefined) fields.set(deb822Name(name), value.replaceAll(',', ' '));
    }
    sources.push(sourceOf(fields, [uri], [suite], words(components)));
  }
  return sources;
}

/**
 * The form of stanzas with `Types:`, `URIs:`, `Suites:` and `Components:`.
 * @param {string} text
 * @returns {AptSource[]}
 */
export function parseDeb822(text) {
  const sources = [];
  for (const stanza of text.replace(/^#.*\n?/gm, '').split(/\n\s*\n/)) {
    const fields = new Map();
    for (const [, name, value] of stanza.matchAll(/^([A-Za-z-]+):(.*(?:\n[ \t].*)*)/gm)) {
      fields.set(name.toLowerCase(), value.trim());
    }
    const enabled = !/^(no|false|off|0)$/i.test(fields.get('enabled') ?? 'yes');
    if (!enabled || !words(fields.get('types')).includes('deb')) continue;
    const lists = ['uris', 'suites', 'components'].map((name) => words(fields.get(name)));
    sources.push(sourceOf(fields, ...lists));
  }
  return sources;
}

/**
 * The entry for another suite of the same archive, in deb822 form.
 * @param {AptSource} source
 * @param {string} suite
 */
export function formatAptSource(source, suite) {
  const fields = {
    Types: 'deb',
    URIs: source.uris.join(' '),
    Suites: suite,
    Components: source.components.join(' '),
    ...source.options,
    ...(source.signedBy === undefined ? {} : { 'Signed-By': source.signedBy }),
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
}

function sourceOf(fields, uris, suites, components) {
  const options = {};
  for (const name of keptOptions) {
    const value = fields.get(name.toLowerCase());
    if (value !== undefined) options[name] = value;
  }
  return { uris, suites, components, signedBy: fields.get('signed-by'), options };
}

/** The one-line form has its own names for two options (sources.list(5), "Options"). */
function deb822Name(option) {
  const name = option.toLowerCase();
  return name === 'arch' ? 'architectures' : name;
}

function words(text) {
  return (text ?? '').split(/\s+/).filter((word) => word !== '');
}

function whenMissing(nothing) {
  return (error) => {
    if (error.code === 'ENOENT') return nothing;
    throw error;
  };
}
