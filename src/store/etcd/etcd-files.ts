import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { checkServerIdentity, createSecureContext, type SecureContext } from 'node:tls';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { describeError, InvalidInputError } from '../../model/error.ts';
import type { UserCredentials } from './access-token.ts';
import type { EtcdTlsFiles, EtcdUrl } from './etcd-url.ts';

/** How to speak to a member, by its host: a name, or an IP address without brackets. */
export type CredentialsFor = (host: string) => ChannelCredentials;

/** @throws InvalidInputError naming the file that cannot be read or does not fit */
export function loadChannelCredentials(tls: EtcdTlsFiles | undefined): CredentialsFor {
  if (!tls) return () => credentials.createInsecure();
  const secureContext = loadSecureContext(tls);
  return (host) =>
    credentials.createFromSecureContext(secureContext, {
      // gRPC hands over the name that it announces, which is another one where the host is an address.
      checkServerIdentity: (_announced, certificate) => checkServerIdentity(host, certificate),
    });
}

function loadSecureContext(tls: EtcdTlsFiles): SecureContext {
  const ca = tls.ca === undefined ? undefined : readFile('ca', tls.ca);
  const cert = tls.certificate && readFile('cert', tls.certificate.cert);
  const key = tls.certificate && readFile('key', tls.certificate.key);
  const files = [tls.ca, tls.certificate?.cert, tls.certificate?.key].filter(Boolean).join(', ');
  try {
    // OpenSSL takes a file without any certificate for one with none to trust.
    if (ca) new X509Certificate(ca);
    return createSecureContext({
      ...(ca ? { ca } : {}),
      ...(cert && key ? { cert, key } : {}),
      minVersion: 'TLSv1.2',
    });
  } catch (error) {
    throw new InvalidInputError(
      `${files} cannot be used for TLS: ${describeError(error)}; they must be PEM, and the key must be the certificate's own, without a passphrase`,
      {},
      error,
    );
  }
}

/** @throws InvalidInputError when the file cannot be read or is empty */
export function loadUser(user: EtcdUrl['user']): UserCredentials | undefined {
  if (!user) return undefined;
  const password = readFile('password-file', user.passwordFile)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (password === '')
    throw new InvalidInputError(`the password file ${user.passwordFile} is empty`);
  return { name: user.name, password };
}

/** At once and whole: this happens when a daemon starts, and nothing goes on without it. */
function readFile(option: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new InvalidInputError(
      `the file ${path}, named by ${option} in the store's URL, cannot be read: ${describeError(error)}`,
      {},
      error,
    );
  }
}
