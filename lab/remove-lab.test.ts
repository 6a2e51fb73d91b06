import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { createLab, type Lab } from './lab.ts';
import { listClaims } from './lab-claim.ts';
import type { LabProcess } from './lab-process.ts';
import { listNamespaces, processesInside } from './namespaces.ts';
import { identifyProcess, isAlive } from './process-table.ts';
import type { Topology } from './topology.ts';

const small: Topology = { sites: [{ name: 'fra', hosts: ['a'], uplink: { delayMs: 1 } }] };

const holdsSocket = `require('node:net').createServer().listen(
  process.argv[1], () => console.log('listening'))`;

/** Stands for a wireguard-go, as far as its control socket goes. */
async function holdSocket(lab: Lab): Promise<{ holder: LabProcess; socket: string }> {
  const socket = `/run/wireguard/hnslab${lab.id}.sock`;
  await mkdir(dirname(socket), { recursive: true });
  const holder = await lab.node('a').start(process.execPath, ['-e', holdsSocket, socket]);
  await holder.waitForOutput(/listening/, 5_000);
  return { holder, socket };
}

/** Builds a lab in another process, which holds it until it is killed. */
async function labOfAnotherProcess(): Promise<{ owner: ChildProcess; labId: string }> {
  const program = `
    import { createLab } from ${JSON.stringify(new URL('./lab.ts', import.meta.url).href)};
    const lab = await createLab({ topology: ${JSON.stringify(small)} });
    await lab.node('a').start('sleep', ['1000']);
    console.log(lab.id);
    setInterval(() => {}, 1_000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [labId] = await once(createInterface({ input: owner.stdout }), 'line');
  return { owner, labId };
}

async function killAndWait(owner: ChildProcess): Promise<void> {
  const ended = once(owner, 'exit');
  owner.kill('SIGKILL');
  await ended;
}

test('a killed lab is removed by the next, and a living one is left alone', async () => {
  const [killed, living] = await Promise.all([labOfAnotherProcess(), labOfAnotherProcess()]);
  try {
    const namespaces = await listNamespaces(killed.labId);
    assert.equal(namespaces.length, 3);
    const [orphan] = await processesInside(namespaces);
    const orphanIdentity = orphan === undefined ? undefined : await identifyProcess(orphan);
    assert.ok(orphanIdentity);
    await killAndWait(killed.owner);

    await using next = await createLab({ topology: small });

    assert.deepEqual(await listNamespaces(killed.labId), []);
    assert.equal(await isAlive(orphanIdentity), false);
    const ids = (await listClaims()).map(({ id }) => id);
    assert.ok(!ids.includes(killed.labId), 'the claim of the killed lab is gone');
    assert.ok(ids.includes(living.labId), 'the claim of the living lab stays');
    assert.equal((await listNamespaces(living.labId)).length, 3);
    assert.ok((await processesInside(await listNamespaces(living.labId))).length >= 2);
    assert.equal((await next.node('a').ping('198.18.1.1')).received, 1);
  } finally {
    await Promise.all([killed.owner, living.owner].map(killIfRunning));
    await using _ = await createLab({ topology: small });
  }
});

async function killIfRunning(owner: ChildProcess): Promise<void> {
  if (owner.exitCode === null && owner.signalCode === null) await killAndWait(owner);
}

test('two labs may remove the same killed one at once', async () => {
  const { owner, labId } = await labOfAnotherProcess();
  await killAndWait(owner);
  await using _first = await createLab({ topology: small });
  const labs = await Promise.all([1, 2, 3].map(() => createLab({ topology: small })));
  await Promise.all(labs.map((lab) => lab[Symbol.asyncDispose]()));
  assert.deepEqual(await listNamespaces(labId), []);
});

test('disposal leaves no namespace, process, socket or file', async () => {
  const lab = await createLab({ topology: small });
  const a = lab.node('a');
  const stubborn = await a.start('sh', ['-c', 'trap "" TERM; while :; do sleep 1; done']);
  const { holder, socket } = await holdSocket(lab);
  await writeFile(join(lab.directory, 'data'), 'x');
  assert.ok((await processesInside(await listNamespaces(lab.id))).length >= 3);

  await lab[Symbol.asyncDispose]();

  assert.deepEqual(await listNamespaces(lab.id), []);
  assert.equal(await stubborn.isRunning(), false);
  assert.equal(await holder.isRunning(), false);
  await assert.rejects(access(socket), { code: 'ENOENT' });
  await assert.rejects(access(lab.directory), { code: 'ENOENT' });
  assert.ok((await listClaims()).every(({ id }) => id !== lab.id));
  // Again is harmless.
  await lab[Symbol.asyncDispose]();
});

test('the socket of a killed WireGuard goes too, and that of another lab stays', async () => {
  const lab = await createLab({ topology: small });
  await using other = await createLab({ topology: small });
  const killed = await holdSocket(lab);
  const kept = await holdSocket(other);
  await killed.holder.kill('SIGKILL');
  await killed.holder.waitForExit(5_000);
  await lab[Symbol.asyncDispose]();
  await assert.rejects(access(killed.socket), { code: 'ENOENT' });
  await access(kept.socket);
});

test('an aborted building leaves nothing', async () => {
  const reason = new Error('enough');
  const controller = new AbortController();
  const building = createLab({ topology: small }, controller.signal);
  setTimeout(() => controller.abort(reason), 30);
  await assert.rejects(building, reason);
  const own = (await listClaims()).filter(({ owner }) => owner.pid === process.pid);
  assert.deepEqual(own, []);
});
