import type { Validity } from './validity.ts';

/** The share of a certificate's life after which it is renewed: a third is left for masters to come back. */
const renewalShare = 2 / 3;
/** Members that joined together should not all renew together: up to this share of the life earlier. */
const jitterShare = 0.1;
/** How often an unanswered renewal is asked for again, as a share of the life. */
const retryShare = 1 / 20;

/** When a certificate is to be renewed. @param random 0 to 1, drawn once per certificate */
export function renewalTimeMs({ issuedAtMs, endsAtMs }: Validity, random: number): number {
  const lifeMs = endsAtMs - issuedAtMs;
  return issuedAtMs + lifeMs * (renewalShare - jitterShare * random);
}

export function renewalRetryMs({ issuedAtMs, endsAtMs }: Validity): number {
  return (endsAtMs - issuedAtMs) * retryShare;
}
