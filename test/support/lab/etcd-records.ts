import type { EtcdCluster } from '../../../lab/etcd/etcd-cluster.ts';

/** A key as etcd itself has it, with the prefix of the store's URL. */
export interface EtcdRecord {
  readonly key: string;
  readonly text: string;
  readonly createRevision: number;
  readonly modRevision: number;
}

interface RangeAnswer {
  readonly kvs?: readonly {
    readonly key: string;
    readonly value?: string;
    readonly create_revision: number;
    readonly mod_revision: number;
  }[];
}

/** Everything under a prefix, past Hanse's own store. */
export async function readEtcd(cluster: EtcdCluster, prefix = ''): Promise<readonly EtcdRecord[]> {
  const answer = await cluster.control(['get', prefix, '--prefix', '--write-out', 'json']);
  const { kvs = [] } = JSON.parse(answer) as RangeAnswer;
  return kvs.map(({ key, value = '', create_revision, mod_revision }) => ({
    key: decode(key),
    text: decode(value),
    createRevision: create_revision,
    modRevision: mod_revision,
  }));
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
