import { type LabClaim, listDeadClaims, releaseClaim } from './lab-claim.ts';
import { LabError } from './lab-error.ts';
import {
  deleteNamespaces,
  endProcessesInside,
  listNamespaces,
  processesInside,
} from './namespaces.ts';
import { controlSocketsOf, removeOrphanedSockets, removeSockets } from './wireguard-sockets.ts';

/**
 * Removes all that a lab has put on the machine: processes, namespaces with their devices, sockets
 * and files. What is gone already is fine, so two may do it at once and a half-built lab goes too.
 * @throws LabError `left-behind` naming what could not be removed; the claim then stays for the next
 */
export async function removeLab(claim: LabClaim): Promise<void> {
  const namespaces = await listNamespaces(claim.id);
  const sockets = await controlSocketsOf(await processesInside(namespaces));
  const survivors = await endProcessesInside(namespaces);
  await removeSockets(sockets);
  await removeOrphanedSockets();
  await deleteNamespaces(namespaces);
  const remains = [
    ...survivors.map((pid) => `process ${pid}`),
    ...(await listNamespaces(claim.id)).map((name) => `namespace ${name}`),
  ];
  if (remains.length > 0) {
    throw new LabError(`the lab ${claim.id} left behind: ${remains.join(', ')}`, {
      code: 'left-behind',
      fields: { remains },
    });
  }
  await releaseClaim(claim);
}

/** Removes the labs whose owners were killed; never one whose owner lives. */
export async function removeDeadLabs(): Promise<void> {
  await Promise.all((await listDeadClaims()).map(removeLab));
}
