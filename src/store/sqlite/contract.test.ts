import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeStoreContract } from '../../../test/contract/store.ts';

describeStoreContract('SQLite', {
  create: async () => {
    const directory = await mkdtemp(join(tmpdir(), 'hanse-store-'));
    return {
      url: `sqlite:${join(directory, 'store.db')}`,
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
    };
  },
});
