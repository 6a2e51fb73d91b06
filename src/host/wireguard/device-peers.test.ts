import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import type { InterfaceState, PeerState } from '../../model/host-state.ts';
import { parsePrefix } from '../../model/prefix.ts';
import type {
  PresharedKey,
  WireguardPrivateKey,
  WireguardPublicKey,
} from '../../model/wireguard-key.ts';
import type { Runner } from '../runner.ts';
import { controlSocketPath } from './control-socket.ts';
import { applyPeers, readDevice } from './device-peers.ts';

/** Nobody has an interface of that name, so nobody answers on its control socket. */
const name = `hnstest${process.pid.toString(36)}`;
const { signal } = new AbortController();

function peer(letter: string): PeerState {
  return {
    publicKey: btoa(letter) as WireguardPublicKey,
    presharedKey: btoa('psk') as PresharedKey,
    allowedIps: [parsePrefix('10.0.0.1/32')],
  };
}

function wanting(peers: readonly PeerState[]): InterfaceState {
  const privateKey = btoa('private') as WireguardPrivateKey;
  return { name, privateKey, mtuBytes: 1_420, addresses: [], peers, routes: [] };
}

/** Notes what is run, and runs nothing. */
function recordingRunner(): { readonly runner: Runner; readonly commands: string[] } {
  const commands: string[] = [];
  const runner: Runner = {
    run: async (command, args, { input = '' }) => {
      commands.push(`${command} ${args.join(' ')}\n${input}`);
      return { stdout: '' };
    },
    start: () => assert.fail('nothing is to be started'),
    open: () => assert.fail('nothing is to be started'),
  };
  return { runner, commands };
}

it('an interface is told what is different, and nothing when its list is the same one', async () => {
  const { runner, commands } = recordingRunner();
  const options = { runner, signal };
  const list = [peer('a'), peer('b')];
  const first = await applyPeers(wanting(list), { peers: [] }, options);
  assert.deepEqual(first, { privateKey: btoa('private'), peers: list, control: 'tool' });
  assert.equal(commands.length, 1);
  assert.equal(await applyPeers(wanting(list), first, options), first);
  assert.equal(commands.length, 1);
  const second = await applyPeers(wanting(list.slice(1)), first, options);
  assert.deepEqual(commands.slice(1), [`wg set ${name} peer ${btoa('a')} remove\n`]);
  assert.equal(second.control, 'tool');
});

it('peers where nothing is known are left alone until it is', async () => {
  const { runner, commands } = recordingRunner();
  const options = { runner, signal };
  const at = (letter: string, ip: string) => ({ ...peer(letter), allowedIps: [parsePrefix(ip)] });
  const [known, gone] = [at('a', '10.0.0.1/32'), at('b', '10.0.0.2/32')];
  const [unknown, wanted] = [at('c', '10.9.0.1/32'), at('d', '10.9.0.2/32')];
  const found = { privateKey: btoa('private'), peers: [known, gone, unknown, wanted] };
  const list = [known, wanted];
  const unread = { ...wanting(list), unknownWithin: [parsePrefix('10.9.0.0/24')] };
  const first = await applyPeers(unread, found, options);
  assert.deepEqual(commands, [`wg set ${name} peer ${btoa('b')} remove\n`]);
  assert.deepEqual(first.peers, [known, wanted, unknown]);
  await applyPeers(unread, first, options);
  assert.equal(commands.length, 1);
  const last = await applyPeers(wanting(list), first, options);
  assert.deepEqual(commands.slice(1), [`wg set ${name} peer ${btoa('c')} remove\n`]);
  assert.equal(last.peers, list);
});

it('an interface that was told over its control socket is not asked again whether it has one', async () => {
  const { runner, commands } = recordingRunner();
  const before = { peers: [], control: 'socket' } as const;
  await assert.rejects(applyPeers(wanting([peer('a')]), before, { runner, signal }), {
    code: 'command-failed',
    message: /nobody answers/,
  });
  assert.deepEqual(commands, []);
});

describe('a wireguard-go that is read', () => {
  const backend = { kind: 'wireguard-go', version: '0.0.20250522', path: '' } as const;

  /** Says the same to whoever asks. */
  async function answering(reply: string): Promise<AsyncDisposable> {
    await mkdir(dirname(controlSocketPath(name)), { recursive: true });
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.end(reply));
    server.listen(controlSocketPath(name));
    await once(server, 'listening');
    return { [Symbol.asyncDispose]: async () => void server.close() };
  }

  it('is asked over its control socket, without a program', async () => {
    const { runner, commands } = recordingRunner();
    await using _ = await answering('listen_port=51820\nerrno=0\n\n');
    const dump = await readDevice(name, { backend, runner });
    assert.deepEqual(dump, { privateKey: undefined, listenPort: 51_820, peers: [] });
    assert.deepEqual(commands, []);
  });

  it('and says something else, or nothing, is not believed', async () => {
    const { runner } = recordingRunner();
    for (const reply of ['', 'errno=-5\n\n', 'HTTP/1.1 400 Bad Request\r\n']) {
      await using _ = await answering(reply);
      await assert.rejects(readDevice(name, { backend, runner }), { code: 'unreadable-output' });
    }
  });

  it('and is gone is reported', async () => {
    const { runner } = recordingRunner();
    await assert.rejects(readDevice(name, { backend, runner }), {
      code: 'command-failed',
      message: new RegExp(`get=1 on .*/${name}.sock: nobody answers$`),
    });
  });
});
