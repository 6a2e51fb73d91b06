import { join } from 'node:path';
import type { MasterName, OperatorName } from '../model/names.ts';

/** Where the files of one master are. */
export interface MasterFiles {
  readonly directory: string;
  /** YAML; what `hanse master run` reads. */
  readonly config: string;
  /** PEM: the certificate that binds the TLS and WireGuard keys to the name. */
  readonly certificate: string;
  /** Secret. PEM, PKCS #8. */
  readonly key: string;
  /** Secret. The WireGuard key towards members, in base64 and a line break. */
  readonly membersKey: string;
  /** Secret. The WireGuard key towards other masters, in the same form. */
  readonly backboneKey: string;
}

/** Where everything of one VPN is on one machine. Nothing is made by asking. */
export interface DataDirectory {
  readonly path: string;
  readonly root: string;
  readonly rootCertificate: string;
  /** Secret. May be moved offline. */
  readonly rootKey: string;
  /** Secret. Every master needs it. */
  readonly sealingKey: string;
  readonly operators: string;
  readonly masters: string;
  /** The store's file, when it is SQLite and nothing else was said. */
  readonly storeFile: string;
  /** The member daemon's own directory. */
  readonly member: string;
  /** An operator's profile. */
  operator(name: OperatorName): string;
  master(name: MasterName): MasterFiles;
}

export function dataDirectory(path: string): DataDirectory {
  const root = join(path, 'root');
  const operators = join(path, 'operators');
  const masters = join(path, 'masters');
  return {
    path,
    root,
    rootCertificate: join(root, 'root.pem'),
    rootKey: join(root, 'root.key'),
    sealingKey: join(path, 'sealing.key'),
    operators,
    masters,
    storeFile: join(path, 'store.db'),
    member: join(path, 'member'),
    operator: (name) => join(operators, name),
    master: (name) => masterFiles(join(masters, name)),
  };
}

function masterFiles(directory: string): MasterFiles {
  return {
    directory,
    config: join(directory, 'master.yaml'),
    certificate: join(directory, 'master.pem'),
    key: join(directory, 'master.key'),
    membersKey: join(directory, 'wireguard-members.key'),
    backboneKey: join(directory, 'wireguard-backbone.key'),
  };
}
