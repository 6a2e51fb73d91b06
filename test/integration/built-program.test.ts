import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hanseProgram } from '../../lab/vpn/hanse-program.ts';
import { localMetricsPath } from '../../src/api/member-local.ts';
import { endpointSchema } from '../../src/model/endpoint.ts';
import { parseMasterName } from '../../src/model/names.ts';
import { rootFingerprint } from '../../src/trust/certificate-check.ts';
import { createInviteToken } from '../../src/trust/invite-token.ts';
import { CertificateBed, hourMs } from '../support/certificate-bed.ts';
import { createNamespace } from '../support/network-namespace.ts';
import { getOverSocket } from '../support/socket-get.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

/** For a machine that is busy with other tests. */
const deadlineMs = 60_000;

/** An invite of a VPN whose master never answers. */
async function unansweredInvite(): Promise<string> {
  const bed = await CertificateBed.create();
  const claims = {
    inviteId: '6f1c6f0e-5b6a-4c0f-9d1d-2a7c83be41d5',
    expiresAtMs: bed.nowMs + hourMs,
    rootFingerprint: rootFingerprint(bed.root.certificatePem),
    control: [
      { master: parseMasterName('hansa-1'), endpoint: endpointSchema.parse('127.0.0.1:9') },
    ],
  } as const;
  return createInviteToken(claims, await bed.intermediate('east'));
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

test('the built program serves the metrics of a member on its socket', async () => {
  await using directory = await temporaryDirectory();
  await using namespace = await createNamespace('built-member');
  const { runner } = namespace;
  const socketPath = join(directory.path, 'member', 'member.sock');
  const at = ['--dir', directory.path];
  const daemon = await runner.start(
    hanseProgram,
    ['member', 'join', await unansweredInvite(), ...at],
    { logPath: join(directory.path, 'log') },
  );
  await until('the socket of the member', () => exists(socketPath), deadlineMs);

  const metrics = await getOverSocket(socketPath, localMetricsPath);
  const labels = 'membership="hansa.east",state="joining"';
  assert.ok(metrics.includes(`hanse_member_session_state{${labels}} 1`), metrics);

  const timeoutMs = deadlineMs;
  await runner.run(hanseProgram, ['leave', '--force', ...at], { timeoutMs });
  assert.equal(await daemon.exited, 3, 'the join was given up');
});
