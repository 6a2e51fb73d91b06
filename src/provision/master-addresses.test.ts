import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { endpointSchema } from '../model/endpoint.ts';
import { parseMasterName } from '../model/names.ts';
import type { MasterRecord } from '../model/records/directory.ts';
import { type MasterAddresses, requireFreeAddresses } from './master-addresses.ts';

interface Ports {
  readonly control?: number;
  readonly members?: number;
  readonly base?: number;
}

const addresses = (host: string, ports: Ports): MasterAddresses => ({
  control: endpointSchema.parse(`${host}:${ports.control ?? 8_443}`),
  wireguard: {
    host,
    membersPort: ports.members ?? 51_820,
    backboneBasePort: ports.base ?? 51_900,
  },
});
const master = (name: string, host: string, ports: Ports): MasterRecord => ({
  version: 1,
  name: parseMasterName(name),
  index: 1,
  ...addresses(host, ports),
  chain: ['-----BEGIN CERTIFICATE-----'],
  createdAtMs: 0,
});
const fra = master('fra', 'a.example', {});

const refusals: readonly (readonly [ports: Ports, message: RegExp])[] = [
  [{}, /^master fra already has a\.example:8443: give another --control$/],
  [
    { control: 2 },
    /^master fra already has UDP port 51820 on a\.example: give another --members-port/,
  ],
  [
    { control: 2, members: 51_950, base: 56_000 },
    /^master fra already has UDP port 51950 on a\.example: give another --members-port/,
  ],
  [
    { control: 2, members: 51_821 },
    /^master fra already has some of UDP ports 51900 to 55995 on a\.example.*: give --backbone-base-port 55996, or another --wireguard-host$/,
  ],
  [{ control: 2, members: 47_000, base: 48_000 }, /give --backbone-base-port 55996/],
  [{ control: 2, members: 51_821, base: 55_995 }, /give --backbone-base-port 55996/],
];
for (const [ports, message] of refusals) {
  test(`${JSON.stringify(ports)} beside a master with the usual ports is refused with what would do`, () => {
    assert.throws(() => requireFreeAddresses(addresses('a.example', ports), [fra]), {
      code: 'address-taken',
      message,
    });
  });
}

test('a master whose own ports meet is refused', () => {
  const own = addresses('b.example', { members: 51_901 });
  assert.throws(() => requireFreeAddresses(own, []), {
    code: 'invalid',
    message: /--members-port 51901 is among the ports for other masters, 51900 to 55995/,
  });
});

test('another host may have the same ports, and the same host what is free', () => {
  requireFreeAddresses(addresses('b.example', {}), [fra]);
  const beside = { control: 2, members: 51_821, base: 55_996 };
  requireFreeAddresses(addresses('a.example', beside), [fra]);
});

test('the base port that a refusal names is free, whatever the host has', () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  fc.assert(
    fc.property(fc.array(fc.tuple(port, port), { maxLength: 3 }), port, (taken, base) => {
      const others = taken.map(([members, otherBase], index) =>
        master(`m${index}`, 'a.example', { control: 10 + index, members, base: otherBase }),
      );
      const wanted = { control: 2, members: 1_000, base };
      const named = advice(wanted, others);
      if (named !== undefined) {
        requireFreeAddresses(addresses('a.example', { ...wanted, base: named }), others);
      }
    }),
  );
});

/** The base port that the refusal of the wanted ports names; undefined when it names none. */
function advice(wanted: Ports, others: readonly MasterRecord[]): number | undefined {
  try {
    requireFreeAddresses(addresses('a.example', wanted), others);
  } catch (error) {
    const [, base] = /give --backbone-base-port (\d+)/.exec(String(error)) ?? [];
    return base === undefined ? undefined : Number(base);
  }
  return undefined;
}
