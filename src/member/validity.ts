import { X509Certificate } from 'node:crypto';
import { clockSkewMs } from '../model/clock-skew.ts';

/** From when to when a certificate is meant to be used. */
export interface Validity {
  /** Certificates say an earlier time, for machines whose clocks are behind. */
  readonly issuedAtMs: number;
  readonly endsAtMs: number;
}

/** Of the leaf of a chain that was checked when it was accepted. */
export function validityOf(chain: readonly string[]): Validity {
  const leaf = new X509Certificate(chain[0] ?? '');
  return {
    issuedAtMs: leaf.validFromDate.getTime() + clockSkewMs,
    endsAtMs: leaf.validToDate.getTime(),
  };
}
