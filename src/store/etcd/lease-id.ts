import type { LeaseId } from '../store.ts';
import { StoreError } from '../store-error.ts';

/** As `etcdctl lease list` shows it. */
export function formatLeaseId(id: bigint): LeaseId {
  return id.toString(16).padStart(16, '0') as LeaseId;
}

/** @throws StoreError `lease-ended` when etcd cannot have granted it */
export function parseLeaseId(lease: LeaseId): bigint {
  if (!/^[0-7][0-9a-f]{15}$/.test(lease)) throw leaseEnded([lease]);
  return BigInt(`0x${lease}`);
}

/** @param leases of which at least one is over */
export function leaseEnded(leases: readonly LeaseId[], cause?: unknown): StoreError {
  const lease = leases.join(', ');
  return new StoreError(`the lease ${lease} is unknown or over`, {
    code: 'lease-ended',
    fields: { lease },
    cause,
  });
}
