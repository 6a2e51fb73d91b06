import { readMasterConfig } from '../../../src/cli/actions/master.ts';
import { Master } from '../../../src/master/master.ts';
import { runMaster } from '../../../src/master/run-master.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../../../src/model/names.ts';
import { parseAddress } from '../../../src/model/prefix.ts';
import { LyingMaster } from './lying-master.ts';

/*
 * A master that runs as any other one does, and lies. It prints what comes of it.
 *
 * Arguments: the VPN's data directory, its name and its subset, the accomplice, the subset that is
 * robbed of its addresses; then, as often as wanted, another master, a subset of that one, the address
 * of a member there, and one that the accomplice is to have for that member.
 */
const [directory = '', name = '', own = '', accomplice = '', robbed = '', ...attacks] =
  process.argv.slice(2);

const openHonest = Master.open.bind(Master);
Master.open = async (options, dependencies) => {
  const master = await openHonest(options, dependencies);
  const liar = new LyingMaster(master, {
    own: parseSubsetName(own),
    accomplice: parseMemberName(accomplice),
    robbed: parseSubsetName(robbed),
    say: (line) => process.stdout.write(`${line}\n`),
  });
  for (let index = 0; index + 3 < attacks.length; index += 4) {
    const [other = '', subset = '', whom = '', lie = ''] = attacks.slice(index, index + 4);
    const target = { master: parseMasterName(other), subset: parseSubsetName(subset) };
    void liar.attack({ ...target, whom: parseAddress(whom), lie: parseAddress(lie) });
  }
  return master;
};

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
await runMaster(await readMasterConfig({ dir: directory, name }), stop.signal);
process.exit();
