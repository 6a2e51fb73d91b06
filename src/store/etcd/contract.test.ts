import { after, before } from 'node:test';
import { EtcdCluster } from '../../../lab/etcd/etcd-cluster.ts';
import { describeStoreContract } from '../../../test/contract/store.ts';

/** As many tests run at once. */
const clusterCount = 3;

/**
 * The contract speaks of a store that is one test's own, down to its revisions, while a prefix of a
 * cluster shares these with all others: so each location is a cluster that nobody else uses meanwhile.
 */
const idle: EtcdCluster[] = [];
const waiting: ((cluster: EtcdCluster) => void)[] = [];
const started = new AsyncDisposableStack();
let locations = 0;

before(async () => {
  const starts = Array.from({ length: clusterCount }, () => EtcdCluster.start({ members: 1 }));
  for (const start of starts) release(started.use(await start));
});
after(() => started.disposeAsync());

function acquire(): Promise<EtcdCluster> {
  const cluster = idle.pop();
  return cluster ? Promise.resolve(cluster) : new Promise((resolve) => waiting.push(resolve));
}

function release(cluster: EtcdCluster): void {
  const next = waiting.shift();
  if (next) next(cluster);
  else idle.push(cluster);
}

describeStoreContract('etcd', {
  create: async () => {
    const cluster = await acquire();
    locations += 1;
    const prefix = `contract/${locations}`;
    return {
      url: cluster.url(`/${prefix}`),
      [Symbol.asyncDispose]: async () => {
        // Else keys of leases that end later would be changes in the midst of another test.
        await cluster.control(['del', '--prefix', `${prefix}/`]);
        release(cluster);
      },
    };
  },
});
