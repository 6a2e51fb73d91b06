import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { PeerState } from '../../model/host-state.ts';
import type { Prefix } from '../../model/prefix.ts';
import type {
  PresharedKey,
  WireguardPrivateKey,
  WireguardPublicKey,
} from '../../model/wireguard-key.ts';
import { planPeerChanges } from './peer-changes.ts';
import { formatRequest } from './socket-configuration.ts';

const publicKey = btoa('ab') as WireguardPublicKey;
const peer: PeerState = {
  publicKey,
  presharedKey: btoa('cd') as PresharedKey,
  allowedIps: ['10.0.0.1/32' as Prefix, 'fd00::1/128' as Prefix],
  keepaliveSeconds: 25,
};

function requestOf(before: PeerState[], wanted: PeerState[]): string {
  return formatRequest({}, planPeerChanges(before, wanted));
}

it('a new peer is told whole, with its keys in hexadecimal', () => {
  assert.equal(
    requestOf([], [{ ...peer, endpoint: '192.0.2.1:51820' }]),
    'set=1\npublic_key=6162\npreshared_key=6364\npersistent_keepalive_interval=25\n' +
      'endpoint=192.0.2.1:51820\nreplace_allowed_ips=true\nallowed_ip=10.0.0.1/32\nallowed_ip=fd00::1/128\n\n',
  );
});

it('a peer with another preshared key keeps its allowed IPs all the while', () => {
  assert.equal(
    requestOf([peer], [{ ...peer, presharedKey: btoa('ef') as PresharedKey }]),
    'set=1\npublic_key=6162\nupdate_only=true\npreshared_key=6566\npersistent_keepalive_interval=25\n\n',
  );
});

it('removals come before what is new, whose allowed IPs they may free', () => {
  const successor = { ...peer, publicKey: btoa('xy') as WireguardPublicKey };
  const request = requestOf([peer], [successor]);
  assert.ok(request.startsWith('set=1\npublic_key=6162\nremove=true\npublic_key=7879\n'));
});

it('the interface itself is told its key and its port', () => {
  const settings = { privateKey: btoa('kk') as WireguardPrivateKey, listenPort: 51_820 };
  assert.equal(
    formatRequest(settings, { removed: [], changed: [] }),
    'set=1\nprivate_key=6b6b\nlisten_port=51820\n\n',
  );
});

it('nothing is said when nothing is different', () => {
  assert.equal(requestOf([peer], [{ ...peer }]), '');
});
