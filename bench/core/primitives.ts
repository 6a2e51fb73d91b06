import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addressesAt } from '../../src/core/addressing.ts';
import {
  parseMasterName,
  parseMemberName,
  parseSubsetName,
  parseVpnName,
} from '../../src/model/names.ts';
import { parsePrefix } from '../../src/model/prefix.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import {
  createIssuer,
  createRoot,
  issueIntermediate,
  issueLeaf,
} from '../../src/trust/certificate-authority.ts';
import { createIdentityKeyPair } from '../../src/trust/self-signed-certificate.ts';
import { createWireguardKeyPair } from '../../src/trust/wireguard-keys.ts';
import { monotonicMs } from '../crowd/monotonic-ms.ts';
import type { Figure } from '../figure.ts';
import type { Part } from '../part.ts';
import { percentile } from '../statistics.ts';

const puts = 20_000;
const putsInFlight = 256;
const watched = 500;
const certificates = 2_000;
const hourMs = 3_600_000;

/** What the other figures are made of: durable writes, watches across processes, certificates. */
export const primitives: Part = {
  name: 'primitives',
  summary: 'the store and the certificate authority by themselves',
  place: 'here',
  async measure({ directory, progress }) {
    const url = `sqlite:${join(directory, 'store.db')}`;
    await using store = await openStore(url);
    progress('writing');
    const putFigure = await measurePuts(store);
    progress('watching from another process');
    const watchFigures = await measureWatch(store, url);
    progress('issuing');
    return [putFigure, ...watchFigures, await measureCertificates()];
  },
};

async function measurePuts(store: Store): Promise<Figure> {
  const startedMs = performance.now();
  let next = 0;
  const putNext = async (): Promise<void> => {
    for (let number = next++; number < puts; number = next++) {
      const value = Buffer.from(`${number}`.padStart(600, 'x'));
      await store.transact({ if: [], then: [{ put: `bench/put/${number}`, value }] });
    }
  };
  await Promise.all(Array.from({ length: putsInFlight }, putNext));
  return {
    name: `durable puts of 600 bytes, ${putsInFlight} at once`,
    unit: '1/s',
    value: (puts * 1_000) / (performance.now() - startedMs),
  };
}

/** A put carries the time at which it was begun; the watcher answers with how old it was. */
async function measureWatch(store: Store, url: string): Promise<Figure[]> {
  const child = fork(fileURLToPath(new URL('watch-process.ts', import.meta.url)), [url]);
  await once(child, 'message');
  const agesMs: number[] = [];
  for (let number = 0; number < watched; number += 1) {
    const answer = once(child, 'message');
    const value = Buffer.from(String(monotonicMs()));
    await store.transact({ if: [], then: [{ put: `watch/${number}`, value }] });
    const [ageMs] = (await answer) as [number];
    agesMs.push(ageMs);
  }
  const exited = once(child, 'exit');
  child.disconnect();
  await exited;
  return [
    { name: 'put to watch in another process, median', unit: 'ms', value: percentile(agesMs, 50) },
    {
      name: 'put to watch in another process, 99th percentile',
      unit: 'ms',
      value: percentile(agesMs, 99),
      goal: { kind: 'at-most', value: 50 },
      detail: `${watched} puts, one after the other`,
    },
  ];
}

async function measureCertificates(): Promise<Figure> {
  const vpn = parseVpnName('bench');
  const subset = parseSubsetName('all');
  const nowMs = Date.now();
  const root = createIssuer(
    await createRoot({ vpn, period: { fromMs: nowMs, untilMs: nowMs + 3 * hourMs } }),
  );
  const period = { fromMs: nowMs, untilMs: nowMs + hourMs };
  const master = parseMasterName('one');
  const blocks = {
    ipv6Block: parsePrefix('fd00:1:2:1::/64'),
    ipv4Blocks: [parsePrefix('100.64.0.0/16')],
  };
  const issuer = createIssuer(
    await issueIntermediate({
      vpn,
      subset,
      master,
      blocks,
      root,
      period: { ...period, untilMs: nowMs + 2 * hourMs },
    }),
  );
  const subjectPublicKey = createIdentityKeyPair().publicKey.export({
    type: 'spki',
    format: 'der',
  });
  const wireguardKeys = { acting: createWireguardKeyPair().publicKey };
  const startedMs = performance.now();
  for (let number = 0; number < certificates; number += 1) {
    const name = parseMemberName(`m-${number}`);
    const identity = { kind: 'member', vpn, subset, name } as const;
    const addresses = addressesAt(blocks, number + 2);
    await issueLeaf({ identity, subjectPublicKey, wireguardKeys, addresses, issuer, period });
  }
  return {
    name: 'member certificates issued by one thread',
    unit: '1/s',
    value: (certificates * 1_000) / (performance.now() - startedMs),
  };
}
