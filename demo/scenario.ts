import type { Topology } from '../lab/topology.ts';
import type { LabVpnSpec } from '../lab/vpn/lab-vpn.ts';

/** Three towns, each with a router of its own; Bruges' members sit behind a home router with NAT. */
export const topology: Topology = {
  sites: [
    { name: 'lubeck-net', hosts: ['lubeck', 'web', 'db', 'cache'] },
    { name: 'bergen-net', hosts: ['bergen', 'camera', 'sensor'] },
    { name: 'bruges-net', hosts: ['bruges'] },
    { name: 'bruges-home', nat: 'port-restricted', hosts: ['laptop', 'printer', 'phone'] },
  ],
};

export const vpnSpec: LabVpnSpec = {
  name: 'demo',
  masters: [
    { host: 'lubeck', subset: 'baltic' },
    { host: 'bergen', subset: 'nordic' },
    { host: 'bruges', subset: 'flanders' },
  ],
};

export const joins: readonly { readonly host: string; readonly subset: string }[] = [
  { host: 'web', subset: 'baltic' },
  { host: 'db', subset: 'baltic' },
  { host: 'cache', subset: 'baltic' },
  { host: 'camera', subset: 'nordic' },
  { host: 'sensor', subset: 'nordic' },
  { host: 'laptop', subset: 'flanders' },
  { host: 'printer', subset: 'flanders' },
  { host: 'phone', subset: 'flanders' },
];

/** Between whom TCP is measured, and what that shows. */
export const throughputPairs: readonly {
  readonly from: string;
  readonly to: string;
  readonly what: string;
}[] = [
  { from: 'web', to: 'db', what: 'within a subset, directly' },
  { from: 'web', to: 'camera', what: 'between subsets, through two masters' },
];

/** Who is put out. */
export const evicted = 'cache';
