import assert from 'node:assert/strict';
import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runHanse } from '../../test/support/run-hanse.ts';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { softwareVersion } from '../runtime/software-version.ts';

const corp = ['vpn', 'create', 'corp', '--force'];
const fra = [
  'master',
  'create',
  'fra',
  '--control',
  '127.0.0.1:9',
  '--wireguard-host',
  '127.0.0.1',
];
const europe = ['subset', 'create', 'europe', '--acting', 'fra'];

test('a VPN, a master, a subset and an operator are made and listed', async () => {
  await using directory = await temporaryDirectory();
  const env = { HANSE_DIR: join(directory.path, 'new', 'deep') };
  for (const args of [corp, fra, europe]) {
    const { exitCode, err } = await runHanse(args, { env });
    assert.equal(exitCode, 0, err);
  }
  const operator = await runHanse(['operator', 'create', 'ada'], { env });
  assert.equal(operator.out, `${env.HANSE_DIR}/operators/ada\n`);
  const masters = await runHanse(['master', 'list'], { env });
  assert.equal(
    masters.out,
    [
      'MASTER  CONTROL      ALIVE  DRAINED  ACTS FOR  BACKS UP  LAST FAILOVER',
      'fra     127.0.0.1:9  NO     -        europe    -         -',
      '',
    ].join('\n'),
  );
  assert.match(
    masters.err,
    /^hanse: master fra at 127\.0\.0\.1:9 is out of reach: nothing listens there\n$/,
  );
  const shown = await runHanse(['vpn', 'show', '--json'], { env });
  const { vpn, subsets } = JSON.parse(shown.out);
  assert.equal(vpn.name, 'corp');
  assert.deepEqual(vpn.lifetimes, {
    certificateMs: 21_600_000,
    keyRotationMs: 86_400_000,
    absenceMs: 2_592_000_000,
    settleMs: 60_000,
  });
  assert.deepEqual(subsets[0].backups, []);
  assert.equal(subsets[0].blocks[0].prefixes[0], '100.64.0.0/21');
});

test('the root key can be away, and is given with --root-key when it is needed', async () => {
  await using directory = await temporaryDirectory();
  const env = { HANSE_DIR: directory.path };
  await runHanse(corp, { env });
  const offline = join(directory.path, 'stick.key');
  await rename(join(directory.path, 'root', 'root.key'), offline);
  const refused = await runHanse(fra, { env });
  assert.equal(refused.exitCode, 3);
  assert.match(refused.err, /^hanse: this needs the root key of corp.*--root-key/);
  const made = await runHanse([...fra, '--root-key', offline], { env });
  assert.equal(made.exitCode, 0, made.err);
  await writeFile(offline, 'something else');
  const wrong = await runHanse([...europe, '--root-key', offline], { env });
  assert.equal(wrong.exitCode, 3);
  assert.match(wrong.err, /stick\.key is not the key of the root certificate of corp/);
});

test('a master and an operator get new certificates for the keys that they have', async () => {
  await using directory = await temporaryDirectory();
  const env = { HANSE_DIR: directory.path };
  for (const args of [corp, fra]) await runHanse(args, { env });
  const master = await runHanse(['master', 'renew', 'fra'], { env });
  assert.equal(master.exitCode, 0, master.err);
  assert.match(master.out, /^master +fra\ncertificate +\/.*\/masters\/fra\/master\.pem\nends +20/);
  assert.match(master.err, /restart fra/);
  const operator = await runHanse(['operator', 'renew', 'admin'], { env });
  assert.equal(operator.out, `${directory.path}/operators/admin\n`, operator.err);
  const unknown = await runHanse(['master', 'renew', 'ams'], { env });
  assert.equal(unknown.exitCode, 2);
  assert.match(unknown.err, /^hanse: there is no master ams; the VPN has: fra\n/);
});

test('a machine whose own networks overlap is refused, unless forced', async () => {
  await using directory = await temporaryDirectory();
  const env = { HANSE_DIR: directory.path };
  const args = ['vpn', 'create', 'corp', '--ipv4', '127.0.0.0/8'];
  const refused = await runHanse(args, { env });
  assert.equal(refused.exitCode, 1);
  assert.match(refused.err, /127\.0\.0\.0\/8 on lo.*--force/);
  assert.deepEqual(await readdir(directory.path), []);
});

test('no masters that run: the addresses that were tried are told, and to try again', async () => {
  await using directory = await temporaryDirectory();
  const env = { HANSE_DIR: directory.path };
  for (const args of [corp, fra, europe]) await runHanse(args, { env });
  const { exitCode, out, err } = await runHanse(['member', 'list'], { env });
  assert.equal(exitCode, 4);
  assert.equal(out, '');
  assert.match(
    err,
    /^hanse: master fra at 127\.0\.0\.1:9 is out of reach: nothing listens there\n/,
  );
});

/** Bad input, and what is said of it on standard error. */
const refusals: readonly (readonly [args: string, exitCode: number, message: RegExp])[] = [
  ['', 2, /^Usage: hanse/],
  ['membr list', 2, /unknown command 'membr'\n.*Did you mean member/],
  ['vpn create Corp', 2, /^hanse: "Corp" is not a VPN name: use 1 to 32 lower-case/],
  ['vpn create corp --ipv4 10.0.0.1/8', 2, /host bits set: write 10\.0\.0\.0\/8/],
  ['vpn create corp --ipv4-block-length 31', 2, /Write a whole number from 8 to 30/],
  ['vpn create corp --absence soon', 2, /'soon' is invalid. Write a number and ms, s, m, h or d/],
  ['vpn create corp --absence 10ms', 2, /--absence is too short: give at least 1s/],
  ['vpn create corp --settle 10ms', 2, /--settle is too short: give at least 1s/],
  ['vpn create corp --keying none', 2, /Allowed choices are per-subset, shared/],
  ['vpn show', 3, /no operator's profile in .*--profile/],
  ['master create fra', 2, /required option '--control <host:port>'/],
  [
    'master create fra --control x --wireguard-host y',
    2,
    /^hanse: --control "x": expected host:port/,
  ],
  [
    'master create fra --control x:1 --wireguard-host y',
    1,
    /there is no store sqlite:.*vpn create/,
  ],
  ['master run', 1, /no master was made under .*master create/],
  ['master list', 3, /no operator's profile in .*--profile/],
  ['master drain', 2, /missing required argument 'name'/],
  ['master drain Fra', 2, /"Fra" is not a master name/],
  ['master drain fra', 3, /no operator's profile/],
  ['master drain fra --wait soon', 2, /'soon' is invalid/],
  ['master return', 2, /missing required argument 'name'/],
  ['master return fra', 3, /no operator's profile/],
  ['failover', 2, /^Usage: hanse failover/],
  ['failover history', 3, /no operator's profile/],
  ['failover history --limit 0', 2, /Write a whole number from 1 to 1000/],
  ['subset show europe', 3, /no operator's profile/],
  ['subset backups', 2, /missing required argument 'name'/],
  ['subset backups europe --set ams', 1, /there is no store sqlite:.*vpn create/],
  ['subset backups europe --set ams,,lon', 2, /^hanse: "" is not a master name/],
  ['subset create europe --acting fra --region EU', 2, /"EU" is not a region name/],
  ['region create eu', 2, /required option '--store <url>'/],
  ['region create EU --store sqlite:eu.db', 2, /"EU" is not a region name/],
  ['region create eu --store sqlite:eu.db', 1, /there is no store sqlite:.*vpn create/],
  ['region list', 1, /there is no store sqlite:.*vpn create/],
  ['vpn show --store etcd://ops:secret@a', 2, /names and passwords are not part of it/],
  ['master run --config /nonexistent', 2, /no configuration file \/nonexistent/],
  ['subset create masters --acting fra', 2, /the names masters and operators are reserved/],
  ['subset create europe', 2, /required option '--acting <master>'/],
  ['operator create Ada', 2, /"Ada" is not a operator name/],
  ['invite create --subset europe --uses 0', 2, /Write a whole number from 1 to 1000000/],
  ['invite create', 3, /no operator's profile/],
  ['invite list --subset europe', 3, /no operator's profile/],
  ['invite revoke --subset europe', 2, /missing required argument 'id'/],
  ['member show', 2, /missing required argument 'member'/],
  ['member list --profile /nonexistent', 2, /\/nonexistent\/profile\.json is missing/],
  ['member evict a.b --wait forever', 2, /'forever' is invalid/],
  ['member join -', 2, /standard input holds no token/],
  ['member run --log-level loud', 2, /Allowed choices are error, warn, info, debug, silent/],
  ['leave', 1, /no member runs on this machine \(nothing serves .*member\.sock\)/],
  ['status', 1, /nothing to show: no member runs on this machine/],
  ['watch', 3, /no operator's profile/],
  ['audit --subset europe --limit 5000', 2, /Write a whole number from 1 to 1000/],
  ['doctor --role king', 2, /Allowed choices are master, member/],
];
for (const [args, exitCode, message] of refusals) {
  test(`\`hanse ${args}\` says what is wrong and exits with ${exitCode}`, async () => {
    await using directory = await temporaryDirectory();
    const words = args.split(' ').filter((word) => word !== '');
    const run = await runHanse(words, { env: { HANSE_DIR: directory.path } });
    assert.match(run.err, message);
    assert.equal(run.exitCode, exitCode, run.err);
    assert.equal(run.out, '');
    assert.doesNotMatch(run.err, /\n\s+at /);
  });
}

test('the version is the package’s', async () => {
  assert.deepEqual(await runHanse(['--version']), {
    exitCode: 0,
    out: `${softwareVersion}\n`,
    err: '',
  });
});

const commands = [
  'vpn create',
  'vpn show',
  'master create',
  'master list',
  'master renew',
  'master run',
  'master down',
  'master drain',
  'master return',
  'subset create',
  'subset list',
  'subset show',
  'subset backups',
  'region create',
  'region list',
  'failover history',
  'operator create',
  'operator renew',
  'store copy',
  'backup',
  'restore',
  'invite create',
  'invite list',
  'invite revoke',
  'member join',
  'member run',
  'member down',
  'member list',
  'member show',
  'member evict',
  'member ban',
  'member unban',
  'member confirm',
  'placement explain',
  'placement plan',
  'placement backups',
  'placement map',
  'placement policy set',
  'placement policy show',
  'placement policy check',
  'placement policy remove',
  'status',
  'watch',
  'audit',
  'leave',
  'doctor',
];

test('every command’s help has examples and the exit statuses', async () => {
  const runs = commands.map((command) => runHanse([...command.split(' '), '--help']));
  for (const [index, { exitCode, out, err }] of (await Promise.all(runs)).entries()) {
    const command = commands[index] ?? '';
    assert.equal(exitCode, 0, err);
    assert.match(out, new RegExp(`^Usage: hanse ${command}`));
    assert.match(out, /\nExamples:\n {2}\$ /);
    assert.match(out, /\nExit status: 0 done/);
  }
});
