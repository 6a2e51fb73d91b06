import type { Device, HandMadeDevices, PeerLine } from './hand-made-devices.ts';

export interface Hub {
  readonly host: string;
  readonly members: readonly string[];
}

const network = '10.99.0.0/16';

/** A tunnel between two hosts, with nobody in between. @returns the second one's address in it */
export async function connectByHand(
  maker: HandMadeDevices,
  [one, other]: readonly [string, string],
): Promise<string> {
  const [near, far] = [await maker.make(one, '10.98.0.1'), await maker.make(other, '10.98.0.2')];
  const lineTo = (of: Device): PeerLine => ({ of, allowedIps: `${of.address}/32` });
  await maker.connect(near, [lineTo(far)], [`${far.address}/32`]);
  await maker.connect(far, [lineTo(near)], [`${near.address}/32`]);
  return far.address;
}

/**
 * Hubs that decrypt and encrypt what their members say to each other; two of them know each other.
 * @returns the members' addresses in these tunnels, by host
 */
export async function configureByHand(
  maker: HandMadeDevices,
  hubs: readonly [Hub] | readonly [Hub, Hub],
): Promise<ReadonlyMap<string, string>> {
  const addresses = new Map<string, string>();
  const towardsOther: Device[] = [];
  for (const [index, { host, members }] of hubs.entries()) {
    const hub = await maker.make(host, `10.99.${index}.1`);
    if (hubs.length > 1) towardsOther.push(await maker.make(host, `10.99.${index}.254`));
    const peers: PeerLine[] = [];
    for (const [place, member] of members.entries()) {
      const address = `10.99.${index}.${place + 2}`;
      const device = await maker.make(member, address);
      await maker.connect(device, [{ of: hub, allowedIps: network }], [network]);
      peers.push({ of: device, allowedIps: `${address}/32` });
      addresses.set(member, address);
    }
    await maker.connect(hub, peers, [`10.99.${index}.0/24`]);
  }
  const [one, other] = towardsOther;
  if (one && other) {
    await maker.connect(one, [{ of: other, allowedIps: network }], ['10.99.1.0/24']);
    await maker.connect(other, [{ of: one, allowedIps: network }], ['10.99.0.0/24']);
  }
  return addresses;
}
