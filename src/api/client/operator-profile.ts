import { join } from 'node:path';
import { z } from 'zod';
import { endpointSchema } from '../../model/endpoint.ts';
import { InvalidInputError } from '../../model/error.ts';
import { masterNameSchema, operatorNameSchema, vpnNameSchema } from '../../model/names.ts';
import { readIfPresent, writeDurably } from '../../runtime/durable-file.ts';

const knownMasterSchema = z.strictObject({ name: masterNameSchema, control: endpointSchema });
/** A master that an operator can begin with, and where its API is. */
export type KnownMaster = z.infer<typeof knownMasterSchema>;

const profileDocumentSchema = z.strictObject({
  version: z.literal(1),
  vpn: vpnNameSchema,
  operator: operatorNameSchema,
  /** In the order in which they are tried. */
  masters: z.array(knownMasterSchema),
});

/** Everything with which one operator reaches one VPN. It holds a private key: never log it. */
export interface OperatorProfile extends Omit<z.infer<typeof profileDocumentSchema>, 'version'> {
  /** PEM. The only authority that is trusted. */
  readonly rootCertificate: string;
  /** PEM, leaf first. */
  readonly certificateChain: string;
  /** PEM, PKCS #8. */
  readonly privateKey: string;
}

/** What a call needs of a profile; a master has as much, and no operator's name. */
export type ApiCredentials = Omit<OperatorProfile, 'operator'>;

/** The files of a profile directory; copying the directory copies the operator. */
const files = {
  document: 'profile.json',
  root: 'root.pem',
  chain: 'operator.pem',
  key: 'operator.key',
} as const;

/** The names of the files of a profile; the document, which makes it one, comes last. */
export const operatorProfileFiles: readonly string[] = [
  files.root,
  files.chain,
  files.key,
  files.document,
];

/** Whether the directory looks like a profile. */
export async function isOperatorProfile(directory: string): Promise<boolean> {
  return (await readIfPresent(join(directory, files.document))) !== undefined;
}

/** @throws InvalidInputError naming the file that is missing or not valid */
export async function readOperatorProfile(directory: string): Promise<OperatorProfile> {
  const { version: _, ...document } = await readDocument(directory);
  const [rootCertificate, certificateChain, privateKey] = await Promise.all(
    [files.root, files.chain, files.key].map((file) => readPart(directory, file)),
  );
  return {
    ...document,
    rootCertificate: rootCertificate ?? '',
    certificateChain: certificateChain ?? '',
    privateKey: privateKey ?? '',
  };
}

/** Writes the secrets first and the document last, so that what has a document is whole. */
export async function writeOperatorProfile(
  directory: string,
  profile: OperatorProfile,
): Promise<void> {
  await writeDurably(join(directory, files.root), profile.rootCertificate);
  await writeDurably(join(directory, files.chain), profile.certificateChain);
  await writeDurably(join(directory, files.key), profile.privateKey);
  await writeDocument(directory, profile);
}

/** Replaces the masters that the profile knows; writes nothing when they are the same. */
export async function updateKnownMasters(
  directory: string,
  masters: readonly KnownMaster[],
): Promise<void> {
  const document = await readDocument(directory);
  if (JSON.stringify(document.masters) === JSON.stringify(masters)) return;
  await writeDocument(directory, { ...document, masters: [...masters] });
}

async function readDocument(directory: string): Promise<z.infer<typeof profileDocumentSchema>> {
  const path = join(directory, files.document);
  const text = await readPart(directory, files.document);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new InvalidInputError(`${path} is not JSON`, { path }, cause);
  }
  const result = profileDocumentSchema.safeParse(json);
  if (result.success) return result.data;
  throw new InvalidInputError(
    `${path} is not an operator's profile: ${z.prettifyError(result.error)}`,
    { path },
  );
}

function writeDocument(
  directory: string,
  profile: Pick<OperatorProfile, 'vpn' | 'operator' | 'masters'>,
): Promise<void> {
  const { vpn, operator, masters } = profile;
  const document = { version: 1, vpn, operator, masters };
  return writeDurably(join(directory, files.document), `${JSON.stringify(document, null, 2)}\n`);
}

async function readPart(directory: string, file: string): Promise<string> {
  const path = join(directory, file);
  const text = await readIfPresent(path);
  if (text !== undefined) return text;
  throw new InvalidInputError(
    `${path} is missing: an operator's profile is a directory with ${Object.values(files).join(', ')}; ` +
      '`hanse operator create` makes one',
    { path },
  );
}
