import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { InvalidInputError } from '../../model/error.ts';
import { masterConfigText } from '../../provision/master-config-text.ts';
import { parseConfig } from '../../runtime/config-text.ts';
import { readConfigFile } from './config-file.ts';
import { masterConfigSchema, memberConfigSchema } from './daemon-config.ts';

const parse = (text: string) => parseConfig(text, '/etc/hanse/master.yaml', masterConfigSchema);
const good = 'name: fra\ndir: /var/lib/hanse\nstore: sqlite:/var/lib/hanse/store.db\n';

test('what provisioning writes is what a master reads, whatever is in its paths', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (text) => {
      const dir = `/${text}`;
      const relayPorts = { first: 61_000, count: 200 };
      const [listen, metricsListen] = ['0.0.0.0:8443', '127.0.0.1:9470'];
      const config = { name: 'fra', dir, store: `sqlite:${dir}/store.db`, listen, metricsListen };
      assert.deepEqual(parse(masterConfigText(config)), {
        ...config,
        relayPorts,
        logLevel: 'info',
      });
    }),
  );
});

const refusals: readonly (readonly [text: string, message: RegExp])[] = [
  [`${good}lisen: 0.0.0.0:1\n`, /^\/etc\/hanse\/master\.yaml:1:1: listen: /],
  [`${good}listen: 0.0.0.0:0\n`, /master\.yaml:4:9: listen: the port must be 1 to 65535$/],
  [
    `${good}listen: 0.0.0.0:1\ncolour: blue\n`,
    /master\.yaml:5:9: colour: there is no such key; the keys are name, dir, store, regions, listen, /,
  ],
  [
    `${good}listen: 0.0.0.0:1\nrelayPorts: 7-7\n`,
    /:5:13: relayPorts: expected two UDP ports at least/,
  ],
  [`${good}listen: 0.0.0.0:1\nrelayPorts: 65000-65536\n`, /:5:13: relayPorts: expected/],
  [`${good}listen: 0.0.0.0:1\nlogLevel: loud\n`, /:5:11: logLevel: .*"debug"/],
  [
    `${good}listen: 0.0.0.0:1\nstunPort: 0\n`,
    /:5:11: stunPort: expected a port, 1 to 65535, or off$/,
  ],
  [
    `${good}listen: 0.0.0.0:1\nasDatabase: as.mmdb\n`,
    /:5:13: asDatabase: expected an absolute path$/,
  ],
  ['name: [', /master\.yaml:1:\d+: /],
  ['name: a\nname: b\n', /master\.yaml:2:1: name is there twice in one mapping$/],
  ['- name\n', /master\.yaml:1:1: the file: /],
  ['name: &a x\ndir: *a\n', /aliases/],
  ['', /master\.yaml:1:1: name: /],
];
for (const [text, message] of refusals) {
  test(`${JSON.stringify(text.slice(-40))} is refused with its place`, () => {
    assert.throws(() => parse(text), { code: 'invalid', message });
  });
}

test('no text makes the parser fail in any other way than by saying what is wrong', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
      try {
        parse(text);
      } catch (error) {
        assert.ok(error instanceof InvalidInputError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('no document makes the parser fail in any other way than by saying what is wrong', () => {
  const key = fc.constantFrom('name', 'dir', 'store', 'listen', 'metricsListen', 'logLevel', 'x');
  fc.assert(
    fc.property(fc.dictionary(key, fc.jsonValue()), (document) => {
      try {
        parse(stringify(document));
      } catch (error) {
        assert.ok(error instanceof InvalidInputError, String(error));
        assert.match(error.message, /^\/etc\/hanse\/master\.yaml:\d+:\d+: /);
      }
    }),
  );
});

test('an empty file is a member’s whole configuration', () => {
  assert.deepEqual(parseConfig('# nothing\n', 'member.yaml', memberConfigSchema), {});
});

test('a file that is not there is named', async () => {
  await assert.rejects(readConfigFile('/nonexistent/master.yaml', masterConfigSchema), {
    code: 'invalid',
    message: 'there is no configuration file /nonexistent/master.yaml',
  });
});
