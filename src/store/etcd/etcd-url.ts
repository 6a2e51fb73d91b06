import { InvalidInputError } from '../../model/error.ts';

/** What a URL of etcd says. It holds no secrets, only the names of files with them. */
export interface EtcdUrl {
  /** `host:port` of each member, IPv6 addresses in brackets. */
  readonly addresses: readonly string[];
  /** Every key begins with it; it ends with a slash. */
  readonly keyPrefix: string;
  readonly tls: EtcdTlsFiles | undefined;
  readonly user: { readonly name: string; readonly passwordFile: string } | undefined;
}

export interface EtcdTlsFiles {
  /** Absent for the authorities that Node trusts by itself. */
  readonly ca?: string;
  readonly certificate?: { readonly cert: string; readonly key: string };
}

const defaultPort = 2379;
/** So that a cluster can be shared with others, though nobody has thought of it. */
const defaultKeyPrefix = 'hanse';
const longestKeyPrefix = 200;
const optionNames = ['ca', 'cert', 'key', 'user', 'password-file'] as const;
type OptionName = (typeof optionNames)[number];

const example =
  'etcd://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379/hanse?ca=/etc/hanse/etcd-ca.pem&cert=/etc/hanse/etcd.pem&key=/etc/hanse/etcd.key';

/**
 * `etcd://HOST[:PORT][,HOST[:PORT]…][/PREFIX][?ca=FILE&cert=FILE&key=FILE&user=NAME&password-file=FILE]`.
 * TLS is used when `ca` or `cert` is given, or with `etcds:`.
 * @throws InvalidInputError that says what would be right
 */
export function parseEtcdUrl(url: string): EtcdUrl {
  const match = /^(etcds?):\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(url);
  if (!match) throw invalid(url, 'it is not made of hosts, a prefix and options');
  const [, scheme, hosts = '', prefix = '', query = ''] = match;
  const options = parseOptions(url, query);
  const tls = tlsFrom(url, options);
  return {
    addresses: parseAddresses(url, hosts),
    keyPrefix: parseKeyPrefix(url, prefix),
    tls: tls ?? (scheme === 'etcds' ? {} : undefined),
    user: userFrom(url, options),
  };
}

function parseAddresses(url: string, hosts: string): readonly string[] {
  if (hosts.includes('@'))
    throw invalid(
      'etcd://…',
      'names and passwords are not part of it: write ?user=NAME&password-file=FILE',
    );
  const addresses = hosts.split(',').map((host) => parseAddress(url, host));
  const twice = addresses.find((address, index) => addresses.indexOf(address) !== index);
  if (twice !== undefined) throw invalid(url, `${twice} is in it twice`);
  return addresses;
}

function parseAddress(url: string, text: string): string {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[2] ?? defaultPort);
  if (!match || port < 1 || port > 65_535)
    throw invalid(url, `"${text}" is not a host, or a host and a port`);
  return `${match[1]}:${port}`;
}

function parseKeyPrefix(url: string, text: string): string {
  const prefix = text.replace(/\/$/, '') || defaultKeyPrefix;
  if (prefix.length > longestKeyPrefix || !/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/.test(prefix))
    throw invalid(
      url,
      `"${prefix.slice(0, 64)}" is not a prefix: at most ${longestKeyPrefix} letters, digits, dots, hyphens and single slashes`,
    );
  return `${prefix}/`;
}

function parseOptions(url: string, query: string): ReadonlyMap<OptionName, string> {
  const options = new Map<OptionName, string>();
  for (const part of query === '' ? [] : query.split('&')) {
    const [name = '', value = ''] = part.split(/=(.*)/s);
    const known = optionNames.find((candidate) => candidate === name);
    if (!known) throw invalid(url, `"${name}" is no option: there are ${optionNames.join(', ')}`);
    if (options.has(known)) throw invalid(url, `${name} is in it twice`);
    const text = decode(value);
    if (text === undefined || text === '' || text.includes('\0'))
      throw invalid(url, `${name} needs a value, with %25 for a percent sign`);
    options.set(known, text);
  }
  return options;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // A percent sign that is not followed by two digits.
    return undefined;
  }
}

function tlsFrom(url: string, options: ReadonlyMap<OptionName, string>): EtcdTlsFiles | undefined {
  const [ca, cert, key] = [options.get('ca'), options.get('cert'), options.get('key')];
  if ((cert === undefined) !== (key === undefined))
    throw invalid(url, 'cert and key, a certificate and its private key, need each other');
  if (ca === undefined && cert === undefined) return undefined;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { certificate: { cert, key } }),
  };
}

function userFrom(url: string, options: ReadonlyMap<OptionName, string>): EtcdUrl['user'] {
  const [name, passwordFile] = [options.get('user'), options.get('password-file')];
  if (name === undefined && passwordFile === undefined) return undefined;
  if (name === undefined || passwordFile === undefined)
    throw invalid(url, 'user and password-file need each other');
  return { name, passwordFile };
}

function invalid(url: string, reason: string): InvalidInputError {
  return new InvalidInputError(
    `"${url.slice(0, 200)}" does not name an etcd cluster: ${reason}. Write ${example}`,
  );
}
