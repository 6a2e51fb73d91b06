import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from './lab-error.ts';
import { identifyProcess, ignoreGone, isAlive, type ProcessIdentity } from './process-table.ts';

/**
 * A lab's place on the machine. The name of its directory says whose it is, so that a claim is there
 * whole or not at all, and outlives a killed owner for the next lab to find.
 */
export interface LabClaim {
  /** Six letters and digits; part of every name that the lab gives. */
  readonly id: string;
  readonly owner: ProcessIdentity;
}

const claimDirectory = '/run/hanse-lab';
/** On a disk, unlike /run: what daemons keep in a lab must cost what it costs outside. */
const dataDirectory = '/var/tmp/hanse-lab';
const claimName = /^([0-9a-z]{6})\.(\d+)\.(\d+)$/;

const pathOf = ({ id, owner }: LabClaim): string =>
  join(claimDirectory, `${id}.${owner.pid}.${owner.startTicks}`);

/** Where the lab's daemons may keep files; removed with the lab. */
export const dataDirectoryOf = (labId: string): string => join(dataDirectory, labId);

/** Takes a new id for this process. */
export async function claimLab(): Promise<LabClaim> {
  const owner = await identifyProcess(process.pid);
  if (!owner) {
    throw new LabError('/proc does not show this process: mount it, as the lab needs it', {
      code: 'build-failed',
    });
  }
  const claim = { id: randomId(), owner };
  await mkdir(pathOf(claim), { recursive: true, mode: 0o755 });
  await mkdir(dataDirectoryOf(claim.id), { recursive: true, mode: 0o700 });
  return claim;
}

export async function releaseClaim(claim: LabClaim): Promise<void> {
  await rm(dataDirectoryOf(claim.id), { recursive: true, force: true });
  await rm(pathOf(claim), { recursive: true, force: true });
  await Promise.all([dataDirectory, claimDirectory].map(removeIfEmpty));
}

async function removeIfEmpty(directory: string): Promise<void> {
  await rmdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'ENOENT') throw error;
  });
}

export async function listClaims(): Promise<LabClaim[]> {
  const names = (await readdir(claimDirectory).catch(ignoreGone)) ?? [];
  return names.flatMap((name) => {
    const [, id, pid, startTicks] = claimName.exec(name) ?? [];
    if (!id || !pid || !startTicks) return [];
    return [{ id, owner: { pid: Number(pid), startTicks } }];
  });
}

/** The claims whose owners have ended without releasing them. */
export async function listDeadClaims(): Promise<LabClaim[]> {
  const claims = await listClaims();
  const alive = await Promise.all(claims.map(({ owner }) => isAlive(owner)));
  return claims.filter((_, index) => !alive[index]);
}

/** 36⁶ is 2.2 billion: two living labs never meet. */
function randomId(): string {
  return (randomBytes(6).readUIntBE(0, 6) % 36 ** 6).toString(36).padStart(6, '0');
}
