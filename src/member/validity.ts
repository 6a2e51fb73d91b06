import { X509Certificate } from 'node:crypto';
import { clockSkewMs } from '../model/clock-skew.ts';

/** From when to when a certificate is meant to be used. */
export interface Validity {
  /** Certificates say an earlier time, for machines whose clocks are behind. */
  readonly issuedAtMs: number;
  readonly endsAtMs: number;
}

/** Every member renews its certificate after two thirds of its life. */
const agingShare = 5 / 6;
/** Reading a certificate takes some 50 µs, and whoever is talked to is looked at ten times a second. */
const known = new WeakMap<readonly string[], Validity>();

/** Of the leaf of a chain that was checked when it was accepted. */
export function validityOf(chain: readonly string[]): Validity {
  const read = known.get(chain) ?? readValidity(chain);
  known.set(chain, read);
  return read;
}

/** Whether its owner has long renewed it, so that others should have a younger one. */
export function isAging(chain: readonly string[], wallMs: number): boolean {
  const { issuedAtMs, endsAtMs } = validityOf(chain);
  return wallMs > issuedAtMs + (endsAtMs - issuedAtMs) * agingShare;
}

function readValidity([leafPem = '']: readonly string[]): Validity {
  const leaf = new X509Certificate(leafPem);
  return {
    issuedAtMs: leaf.validFromDate.getTime() + clockSkewMs,
    endsAtMs: leaf.validToDate.getTime(),
  };
}
