import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { z } from 'zod';
import { CertificateBed, hourMs } from '../../test/support/certificate-bed.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { localJoin } from '../api/member-local.ts';
import { localRoute, serveLocally } from '../member/local-server.ts';
import { endpointSchema } from '../model/endpoint.ts';
import { parseMasterName } from '../model/names.ts';
import { silentLog } from '../runtime/log.ts';
import { rootFingerprint } from '../trust/certificate-check.ts';
import { createInviteToken } from '../trust/invite-token.ts';

const minuteMs = 60_000;

async function invite(expiresAtMs = Date.now() + hourMs): Promise<string> {
  const bed = await CertificateBed.create();
  const claims = {
    inviteId: '6f1c6f0e-5b6a-4c0f-9d1d-2a7c83be41d5',
    expiresAtMs,
    rootFingerprint: rootFingerprint(bed.root.certificatePem),
    control: [
      { master: parseMasterName('hansa-1'), endpoint: endpointSchema.parse('127.0.0.1:9') },
    ],
  } as const;
  return createInviteToken(claims, await bed.intermediate('east'));
}

/** Answers joins on the socket of a data directory, and remembers how they were asked for. */
async function daemonAt(dir: string) {
  const joins: z.infer<typeof localJoin.body>[] = [];
  await mkdir(join(dir, 'member'), { recursive: true });
  const server = await serveLocally(
    { socketPath: join(dir, 'member', 'member.sock') },
    {
      routes: [
        localRoute(localJoin, async (body, onProgress) => {
          joins.push(body);
          onProgress('placed in east');
          return { membership: 'hansa.east', name: 'box', ipv4: '100.64.0.2', ipv6: 'fd00::2' };
        }),
      ],
      metrics: () => Promise.reject(new Error('nobody asks for them')),
      log: silentLog(),
    },
  );
  return { joins, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test('a member’s file says where it is and how it wants to be called', async () => {
  await using directory = await temporaryDirectory();
  const dir = join(directory.path, 'state');
  await using daemon = await daemonAt(dir);
  const config = join(directory.path, 'member.yaml');
  await writeFile(config, `dir: ${dir}\nname: from-file\n`);
  const token = await invite();
  const run = await runHanse(['member', 'join', token, '--config', config]);
  assert.equal(run.out, 'box is in hansa.east: 100.64.0.2, fd00::2\n', run.err);
  assert.equal(run.err, 'placed in east\n');
  const named = ['member', 'join', token, '--config', config, '--name', 'from-option'];
  assert.equal((await runHanse(named)).exitCode, 0);
  assert.deepEqual(
    daemon.joins.map(({ name }) => name),
    ['from-file', 'from-option'],
  );
});

test('options win over the environment, and the environment over the file', async () => {
  await using directory = await temporaryDirectory();
  const [inFile, inEnvironment, inOption] = ['file', 'environment', 'option'].map((name) =>
    join(directory.path, name),
  ) as [string, string, string];
  const config = join(directory.path, 'member.yaml');
  await writeFile(config, `dir: ${inFile}\n`);
  const line = ['member', 'join', await invite(), '--config', config];
  const env = { HANSE_DIR: inEnvironment };
  await using byEnvironment = await daemonAt(inEnvironment);
  await using byOption = await daemonAt(inOption);
  assert.equal((await runHanse(line, { env })).exitCode, 0);
  assert.equal((await runHanse([...line, '--dir', inOption], { env })).exitCode, 0);
  assert.deepEqual([byEnvironment.joins.length, byOption.joins.length], [1, 1]);
});

test('a token that cannot be good is refused before anything is made', async () => {
  await using directory = await temporaryDirectory();
  const join_ = (token: string) =>
    runHanse(['member', 'join', token, '--dir', directory.path, '--no-run']);
  const misspelt = await join_((await invite()).slice(0, -5));
  assert.equal(misspelt.exitCode, 2);
  assert.match(misspelt.err, /the invite token is malformed: it is cut off or misspelt/);
  const expired = await join_(await invite(Date.now() - minuteMs));
  assert.equal(expired.exitCode, 3);
  assert.match(expired.err, /the invite token expired at .*hanse invite create/);
  assert.deepEqual(await readdir(directory.path), []);
});

test('the status of a machine whose memberships have ended says which, and why', async () => {
  await using directory = await temporaryDirectory();
  const folder = join(directory.path, 'member', 'memberships', 'corp.europe');
  await mkdir(folder, { recursive: true });
  const tombstone = {
    version: 1,
    vpn: 'corp',
    subset: 'europe',
    name: 'web-1',
    reason: 'banned',
    endedAtMs: Date.now() - 5 * minuteMs,
  };
  await writeFile(join(folder, 'ended.json'), JSON.stringify(tombstone));
  const env = { HANSE_DIR: directory.path };
  const { exitCode, out, err } = await runHanse(['status'], { env });
  assert.equal(exitCode, 0, err);
  assert.match(
    out,
    /^member {2}does not run here, and was in\n\nmembership {2}corp\.europe, as web-1\nsession +ended, 5 min\b.*\nended +banned\n/,
  );
  const json = await runHanse(['status', '--json'], { env });
  const { ended, masters } = JSON.parse(json.out);
  assert.deepEqual([ended[0].membership, ended[0].endReason], ['corp.europe', 'banned']);
  assert.deepEqual(masters, []);
});
