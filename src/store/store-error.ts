import { HanseError } from '../model/error.ts';

/**
 * - `unavailable`: out of reach, or the outcome is unknown; retryable. Fields: `operation`.
 * - `compacted`: the history asked for is gone. Fields: `afterRevision`, `compactedRevision`.
 * - `lease-ended`: the lease is unknown or over. Fields: `lease`.
 * - `corrupt`: the file is not a store, or one of a later version. Fields: `path`.
 */
export type StoreErrorCode = 'unavailable' | 'compacted' | 'lease-ended' | 'corrupt';

export class StoreError extends HanseError<StoreErrorCode> {}
