import { InvalidInputError } from '../model/error.ts';
import type { Log } from '../runtime/log.ts';
import type { Store } from './store.ts';
import type { ObserveStore } from './store-observer.ts';

export interface OpenStoreDependencies {
  readonly log?: Log;
  readonly observe?: ObserveStore;
}

/**
 * Opens the store that a URL names: `sqlite:PATH`, a file that all processes of one machine may
 * share, or `etcd://HOST,HOST,HOST/PREFIX` with options (see `etcd/etcd-url.ts`), a cluster that many
 * machines may. An implementation is loaded only when it is named.
 * @throws InvalidInputError when no store can have this URL
 * @throws StoreError as the implementation says
 */
export async function openStore(
  url: string,
  dependencies: OpenStoreDependencies = {},
): Promise<Store> {
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]*):(.*)$/s.exec(url) ?? [];
  if (scheme === 'sqlite') {
    const path = sqlitePath(url, rest);
    const { openSqliteStore } = await import('./sqlite/sqlite-store.ts');
    return openSqliteStore({ path }, dependencies);
  }
  if (scheme === 'etcd' || scheme === 'etcds') {
    const { openEtcdStore } = await import('./etcd/etcd-store.ts');
    return openEtcdStore({ url }, dependencies);
  }
  throw new InvalidInputError(
    `"${url.slice(0, 200)}" does not name a store: write sqlite:PATH, such as sqlite:/var/lib/hanse/store.db, or etcd://HOST,HOST,HOST/PREFIX`,
  );
}

/** The rest is a path as it stands: no escapes, no host. */
function sqlitePath(url: string, path: string): string {
  if (path === '' || path.startsWith('//') || path.includes('\0') || path.endsWith('/')) {
    throw new InvalidInputError(
      `"${url.slice(0, 200)}" does not name a file: write sqlite:PATH, such as sqlite:/var/lib/hanse/store.db`,
    );
  }
  return path;
}
