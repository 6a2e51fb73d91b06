import { HanseError } from '../model/error.ts';

/**
 * - `unavailable`: out of reach, or the outcome is unknown; retryable. Fields: `operation`.
 * - `compacted`: the history asked for is gone. Fields: `afterRevision`, `compactedRevision`.
 * - `lease-ended`: the lease is unknown or over. Fields: `lease`.
 * - `denied`: the store does not know us, or does not let us. Fields: `operation`.
 * - `corrupt`: the file is not a store, or one of a later version. Fields: `path`.
 */
export type StoreErrorCode = 'unavailable' | 'compacted' | 'lease-ended' | 'denied' | 'corrupt';

export class StoreError extends HanseError<StoreErrorCode> {}
