import type { LabVpnSpec } from '../../lab/vpn/lab-vpn.ts';

/** The same towns as in the demo; each subset has the two other masters as its backups. */
export const vpnSpec: LabVpnSpec = {
  name: 'demo',
  masters: [
    { host: 'lubeck', subset: 'baltic', backups: ['bergen', 'bruges'] },
    { host: 'bergen', subset: 'nordic', backups: ['bruges', 'lubeck'] },
    { host: 'bruges', subset: 'flanders', backups: ['lubeck', 'bergen'] },
  ],
  // A master that has come back is given its subset back soon, so that one sees it.
  createOptions: ['--settle', '5s'],
};

export const joins: readonly { readonly host: string; readonly subset: string }[] = [
  { host: 'web', subset: 'baltic' },
  { host: 'db', subset: 'baltic' },
  { host: 'camera', subset: 'nordic' },
  { host: 'laptop', subset: 'flanders' },
];

/** Between whom packets flow all the time. */
export const flows: readonly {
  readonly from: string;
  readonly to: string;
  readonly what: string;
}[] = [
  { from: 'web', to: 'camera', what: 'baltic to nordic' },
  { from: 'laptop', to: 'web', what: 'flanders, behind NAT, to baltic' },
  { from: 'web', to: 'db', what: 'within baltic, through its master' },
];

/** Whose machine dies and comes back, what it acts for, and from where the operator works meanwhile. */
export const failing = { master: 'lubeck', subset: 'baltic', operator: 'bergen' } as const;
