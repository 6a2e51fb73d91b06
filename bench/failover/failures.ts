import type { LabMaster } from '../../lab/vpn/lab-master.ts';
import type { FailoverBed } from './failover-bed.ts';

/** A way in which an acting master can fail. */
export interface Failure {
  /** As the figures name it. */
  readonly name: string;
  /** Finds out beforehand what takes time, so that the blow itself takes none. */
  aim(master: LabMaster, bed: FailoverBed): Promise<Blow>;
}

export interface Blow {
  strike(): Promise<void>;
  /** Resolves when everything runs again, if not all of it is warm. */
  mend(): Promise<void>;
}

export const machineDeath: Failure = {
  name: 'kill -9 of all that runs on the machine',
  aim: async (master) => ({
    strike: () => master.node.crash(),
    mend: () => master.startAsBackup(),
  }),
};

export const pulledLink: Failure = {
  name: 'a pulled link, silent',
  aim: async ({ node }, { lab }) => ({
    strike: () => lab.link(node.name).cut(),
    mend: () => lab.link(node.name).restore(),
  }),
};

/** Its tunnels go on. */
export const daemonDeath: Failure = {
  name: 'kill -9 of the daemon alone',
  aim: async (master) => ({
    strike: () => master.kill(),
    mend: () => master.startAsBackup(),
  }),
};

export const deathWithTheLeader: Failure = {
  name: 'the machine and etcd’s leader at once',
  aim: async (master, { etcd }) => {
    const leader = await etcd.leader();
    return {
      strike: async () => {
        await Promise.all([master.node.crash(), leader.kill()]);
      },
      mend: async () => {
        await leader.restart();
        await master.startAsBackup();
      },
    };
  },
};
