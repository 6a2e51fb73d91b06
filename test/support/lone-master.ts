import { after } from 'node:test';
import { MasterBed } from './master-bed.ts';
import { RunningMaster } from './running-master.ts';

/** A VPN with one subset, hamburg, and its only master, elbe. */
export interface LoneMaster {
  readonly bed: MasterBed;
  readonly master: RunningMaster;
}

/** For all tests of the file that calls this outside of them; it ends after the last one. */
export async function startLoneMaster(): Promise<LoneMaster> {
  const bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
  after(() => bed[Symbol.asyncDispose]());
  const master = await RunningMaster.start(bed, 'elbe');
  after(() => master[Symbol.asyncDispose]());
  return { bed, master };
}
