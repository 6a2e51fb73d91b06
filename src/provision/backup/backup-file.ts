import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import { describeError, InvalidInputError } from '../../model/error.ts';
import { vpnNameSchema } from '../../model/names.ts';
import type { KeyValue } from '../../store/differences.ts';
import { compareKeys } from '../../store/key-range.ts';
import { checkKey, maxTransactionBytes } from '../../store/request-rules.ts';
import { ProvisionError } from '../provision-error.ts';
import { type DataFile, parseDataPath } from './data-files.ts';

/*
 * A backup: one line of text, and then gzip.
 *
 *   hanse-backup 1 SHA-256-OF-THE-REST LENGTH-OF-THE-REST
 *
 * Unpacked it is JSON lines: the header, then the files, then the entries of the store in key order.
 * The hash is checked before anything is unpacked. It finds damage; whoever can change a backup can
 * change it too.
 */

/** A backup of a hundred thousand members has some 50 MB. */
const maxPackedBytes = 1_024 * 1_024 * 1_024;
const maxUnpackedBytes = 2 * maxPackedBytes - 1;
const maxFileCharacters = 65_536;
const longestFirstLine = 128;
const firstLine = /^hanse-backup (\d{1,9}) ([0-9a-f]{64}) (0|[1-9]\d{0,10})\n/;
const formVersion = '1';

const headerSchema = z.strictObject({
  vpn: z.strictObject({ name: vpnNameSchema, id: z.string().regex(/^[0-9a-f]{8}$/) }),
  /** When the store was as the backup has it. */
  createdAtMs: z.number().int().nonnegative(),
  /** Version of the program that made it. */
  software: z.string().max(64),
  files: z.number().int().min(0).max(10_000),
  entries: z.number().int().min(1),
});
export type BackupHeader = z.infer<typeof headerSchema>;

const fileSchema = z.strictObject({
  file: z.string().refine((path) => parseDataPath(path) !== undefined, 'not a file of a VPN'),
  text: z.string().max(maxFileCharacters),
});
const entrySchema = z.strictObject({ key: z.string(), value: z.string() });

export interface BackupContents {
  readonly header: BackupHeader;
  readonly files: readonly DataFile[];
  /** In key order. */
  readonly entries: readonly KeyValue[];
}

/** A backup as it was read, and what names it. */
export interface LoadedBackup extends BackupContents {
  /** Of the whole file, in hexadecimal. */
  readonly sha256: string;
}

/** @param entries in key order */
export function encodeBackup({ header, files, entries }: BackupContents): Buffer {
  const lines: object[] = [header, ...files.map(({ path, text }) => ({ file: path, text }))];
  const parts = lines.map((line) => Buffer.from(`${JSON.stringify(line)}\n`));
  for (const { key, value } of entries) {
    const line = { key, value: Buffer.from(value).toString('base64') };
    parts.push(Buffer.from(`${JSON.stringify(line)}\n`));
  }
  const packed = gzipSync(Buffer.concat(parts));
  const line = `hanse-backup ${formVersion} ${sha256Of(packed)} ${packed.length}\n`;
  return Buffer.concat([Buffer.from(line), packed]);
}

/** @throws ProvisionError `bad-backup` when a single bit is not as it was written */
export function decodeBackup(bytes: Buffer): LoadedBackup {
  const packed = checkedRest(bytes);
  const lines = linesOf(unpack(packed));
  const header = parseLine(headerSchema, lines.next().value, 'the header');
  const files = Array.from({ length: header.files }, (_, index) => {
    const { file, text } = parseLine(fileSchema, lines.next().value, `file ${index + 1}`);
    return { path: file, text };
  });
  requireDistinct(files);
  const entries: KeyValue[] = [];
  for (const line of lines) entries.push(parseEntry(line, entries));
  if (entries.length !== header.entries) {
    throw damaged(`it holds ${entries.length} entries where its header says ${header.entries}`);
  }
  return { header, files, entries, sha256: sha256Of(bytes) };
}

/** @throws ProvisionError `bad-backup`; InvalidInputError when there is no such file */
export async function readBackup(path: string): Promise<LoadedBackup> {
  await using file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause;
    throw new InvalidInputError(`there is no backup ${path}`, { path }, cause);
  });
  const { size } = await file.stat();
  if (size > maxPackedBytes) throw damaged(`it has ${size} bytes, the most is ${maxPackedBytes}`);
  return decodeBackup(await file.readFile());
}

function checkedRest(bytes: Buffer): Buffer {
  const start = bytes.subarray(0, longestFirstLine).toString('latin1');
  const [line, version, sha256, length] = firstLine.exec(start) ?? [];
  if (line === undefined) throw damaged('it does not begin as a backup of Hanse does');
  if (version !== formVersion) {
    throw damaged(`its form is version ${version}, this program knows ${formVersion} only`);
  }
  const rest = bytes.subarray(line.length);
  if (rest.length !== Number(length)) {
    throw damaged(`it is cut off or too long: ${rest.length} bytes where it says ${length}`);
  }
  if (sha256Of(rest) !== sha256) throw damaged('its SHA-256 is not the one that it says');
  return rest;
}

function unpack(packed: Buffer): Buffer {
  try {
    return gunzipSync(packed, { maxOutputLength: maxUnpackedBytes });
  } catch (cause) {
    throw damaged(`it cannot be unpacked: ${describeError(cause)}`, cause);
  }
}

/** Each line without its end. @throws when the last one has none */
function* linesOf(bytes: Buffer): Generator<Buffer, undefined> {
  let start = 0;
  while (start < bytes.length) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0) throw damaged('its last line has no end');
    yield bytes.subarray(start, end);
    start = end + 1;
  }
  return undefined;
}

function parseEntry(line: Buffer, before: readonly KeyValue[]): KeyValue {
  const { key, value: text } = parseLine(entrySchema, line, `entry ${before.length + 1}`);
  const value = Buffer.from(text, 'base64');
  if (value.toString('base64') !== text || value.length > maxTransactionBytes) {
    throw damaged(`the value of entry ${before.length + 1} is not base64, or too long`);
  }
  try {
    checkKey(key);
  } catch (cause) {
    throw damaged(describeError(cause), cause);
  }
  const last = before.at(-1);
  if (last && compareKeys(last.key, key) >= 0) throw damaged('its entries are not in key order');
  return { key, value };
}

function parseLine<S extends z.ZodType>(
  schema: S,
  line: Buffer | undefined,
  what: string,
): z.infer<S> {
  if (line === undefined) throw damaged(`it ends before ${what}`);
  let json: unknown;
  try {
    json = JSON.parse(line.toString('utf8'));
  } catch (cause) {
    throw damaged(`${what} is not JSON`, cause);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw damaged(`${what} is not valid: ${z.prettifyError(result.error)}`);
}

function requireDistinct(files: readonly DataFile[]): void {
  const paths = new Set(files.map(({ path }) => path));
  if (paths.size !== files.length) throw damaged('it has one file twice');
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function damaged(what: string, cause?: unknown): ProvisionError {
  return badBackup(`this is not a whole backup: ${what}`, cause);
}

/** @param message a sentence that says what is wrong with it */
export function badBackup(message: string, cause?: unknown): ProvisionError {
  return new ProvisionError(message, { code: 'bad-backup', fields: { what: message }, cause });
}
