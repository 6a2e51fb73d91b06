import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRunner } from '../../src/host/runner.ts';

/** Names of PEM files. */
export interface EtcdCertificates {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
}

const openSslTimeoutMs = 30_000;

/** Makes an authority, and a certificate of it for servers at the addresses and one for clients. */
export async function createEtcdCertificates(
  directory: string,
  addresses: readonly string[],
): Promise<EtcdCertificates> {
  const ca = { cert: join(directory, 'ca.pem'), key: join(directory, 'ca.key') };
  await openssl([
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-subj', '/CN=etcd test authority', '-days', '2', '-keyout', ca.key, '-out', ca.cert],
  ]);
  const names = addresses.map((address) => `IP:${address}`).join(',');
  const issue = (name: string, extensions: string) =>
    issueLeaf({ directory, ca, name, extensions });
  return {
    ca: ca.cert,
    // Members are clients of themselves too.
    server: await issue(
      'server',
      `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`,
    ),
    client: await issue('client', 'extendedKeyUsage=clientAuth\n'),
  };
}

async function issueLeaf(options: {
  readonly directory: string;
  readonly ca: { readonly cert: string; readonly key: string };
  readonly name: string;
  readonly extensions: string;
}): Promise<{ readonly cert: string; readonly key: string }> {
  const { directory, ca, name, extensions } = options;
  const [cert, key, request, extensionFile] = ['pem', 'key', 'csr', 'ext'].map((suffix) =>
    join(directory, `${name}.${suffix}`),
  ) as [string, string, string, string];
  await writeFile(extensionFile, extensions);
  await openssl([
    ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-subj', `/CN=${name}`, '-keyout', key, '-out', request],
  ]);
  await openssl([
    ...['x509', '-req', '-in', request, '-CA', ca.cert, '-CAkey', ca.key, '-CAcreateserial'],
    ...['-days', '2', '-extfile', extensionFile, '-out', cert],
  ]);
  await chmod(key, 0o600);
  return { cert, key };
}

async function openssl(args: readonly string[]): Promise<void> {
  await createRunner().run('openssl', args, { timeoutMs: openSslTimeoutMs });
}
