import type { Endpoint } from '../model/endpoint.ts';
import { InvalidInputError } from '../model/error.ts';
import type { MasterRecord } from '../model/records/directory.ts';
import { ProvisionError } from './provision-error.ts';

/** As the record's schema has it. */
export const highestMasterIndex = 4_095;
const highestPort = 65_535;
const firstUnprivilegedPort = 1_024;

export interface MasterAddresses {
  readonly control: Endpoint;
  readonly wireguard: MasterRecord['wireguard'];
}

/** UDP ports, both ends included. */
interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Refuses what another master listens on already, or will: towards the master with index i, which
 * may be made in years, a master listens on its base port + i, and on the base port for members.
 * @throws ProvisionError `address-taken`; InvalidInputError when the master's own ports meet
 */
export function requireFreeAddresses(
  { control, wireguard }: MasterAddresses,
  masters: readonly MasterRecord[],
): void {
  const sameControl = masters.find((other) => other.control === control);
  if (sameControl) throw taken(sameControl, control, 'give another --control');
  requireOwnPortsApart(wireguard);
  const onHost = masters.filter((other) => other.wireguard.host === wireguard.host);
  const hasPortIn = (range: PortRange) =>
    onHost.find((other) => portsOf(other.wireguard).some((used) => meets(used, range)));
  const sameMembers = hasPortIn(membersRange(wireguard));
  if (sameMembers) {
    const what = `UDP port ${wireguard.membersPort} on ${wireguard.host}`;
    throw taken(sameMembers, what, 'give another --members-port, or another --wireguard-host');
  }
  const sameBackbone = hasPortIn(backboneRange(wireguard));
  if (sameBackbone) {
    const { first, last } = backboneRange(wireguard);
    const what = `some of UDP ports ${first} to ${last} on ${wireguard.host}, one for each master that a VPN can have and one for members`;
    throw taken(sameBackbone, what, backboneAdvice(wireguard, onHost));
  }
}

function requireOwnPortsApart(wireguard: MasterRecord['wireguard']): void {
  if (!meets(membersRange(wireguard), backboneRange(wireguard))) return;
  const { first, last } = backboneRange(wireguard);
  throw new InvalidInputError(
    `--members-port ${wireguard.membersPort} is among the ports for other masters, ${first} to ${last}: give another --members-port or --backbone-base-port`,
    { port: wireguard.membersPort },
  );
}

/** Names a base port that would do, where there is one. */
function backboneAdvice(
  wireguard: MasterRecord['wireguard'],
  onHost: readonly MasterRecord[],
): string {
  const used = [membersRange(wireguard), ...onHost.flatMap((other) => portsOf(other.wireguard))];
  const bases = [firstUnprivilegedPort, ...used.map(({ last }) => last + 1)].sort((a, b) => b - a);
  const free = bases.find((backboneBasePort) => {
    const range = backboneRange({ ...wireguard, backboneBasePort });
    const fits = backboneBasePort + highestMasterIndex <= highestPort;
    return fits && !used.some((other) => meets(other, range));
  });
  const other = 'another --wireguard-host';
  return free === undefined ? `give ${other}` : `give --backbone-base-port ${free}, or ${other}`;
}

function portsOf(wireguard: MasterRecord['wireguard']): readonly PortRange[] {
  return [membersRange(wireguard), backboneRange(wireguard)];
}

function membersRange({ membersPort }: MasterRecord['wireguard']): PortRange {
  return { first: membersPort, last: membersPort };
}

function backboneRange({ backboneBasePort }: MasterRecord['wireguard']): PortRange {
  const last = Math.min(backboneBasePort + highestMasterIndex, highestPort);
  // The base port itself is the rendezvous.
  return { first: backboneBasePort, last };
}

function meets(one: PortRange, other: PortRange): boolean {
  return one.first <= other.last && other.first <= one.last;
}

function taken({ name }: MasterRecord, endpoint: string, advice: string): ProvisionError {
  return new ProvisionError(`master ${name} already has ${endpoint}: ${advice}`, {
    code: 'address-taken',
    fields: { name, endpoint },
  });
}
