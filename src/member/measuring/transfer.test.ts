import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinedNode } from '../../../test/support/joined-node.ts';
import { startLoneMaster } from '../../../test/support/lone-master.ts';
import { endpointSchema } from '../../model/endpoint.ts';
import { parseMasterName } from '../../model/names.ts';
import { systemClock } from '../../runtime/clock.ts';
import { measureTransfer, type TransferTarget } from './transfer.ts';

const never = new AbortController().signal;
const dependencies = { clock: systemClock };
const lone = await startLoneMaster();
const { bed, master: elbe } = lone;
const node = await joinedNode('anna', lone);

function target(changes: Partial<TransferTarget> = {}): TransferTarget {
  const privateKey = node.keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' });
  return {
    ...{ name: parseMasterName('elbe'), control: elbe.endpoint, latencyMs: 0.1 },
    ...{ vpn: bed.vpn.name, rootCertificate: bed.vpn.rootCertificate },
    credentials: { chain: node.chain, privateKeyPem: String(privateKey) },
    ...changes,
  };
}

test('both directions are measured over one connection', async () => {
  const result = await measureTransfer(target(), dependencies, never);
  assert.equal(result.control, 'answers', result.problem);
  // Loopback carries much more than any line that a figure is for.
  assert.ok((result.downMbit ?? 0) > 10, String(result.downMbit));
  assert.ok((result.upMbit ?? 0) > 1, String(result.upMbit));
});

test('a control port that is another master’s, or nobody’s, fails', async () => {
  const wrong = { name: parseMasterName('weser') };
  const other = await measureTransfer(target(wrong), dependencies, never);
  assert.equal(other.control, 'fails');
  assert.match(String(other.problem), /not the master/);
  const nobody = { control: endpointSchema.parse('127.0.0.1:1') };
  assert.equal((await measureTransfer(target(nobody), dependencies, never)).control, 'fails');
});

test('a master that has no time for transfers answers all the same', async () => {
  let result = await measureTransfer(target(), dependencies, never);
  for (let count = 0; count < 8 && result.problem === undefined; count += 1) {
    result = await measureTransfer(target(), dependencies, never);
  }
  assert.equal(result.control, 'answers');
  assert.match(String(result.problem), /HTTP 503/);
});

test('a measurement that is stopped says why', async () => {
  const reason = new Error('the member stops');
  await assert.rejects(measureTransfer(target(), dependencies, AbortSignal.abort(reason)), reason);
});
