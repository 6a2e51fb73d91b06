import type { CertificatePeriod } from '../trust/signed-certificate.ts';

const yearMs = 365 * 86_400_000;

/** The root outlives everything: to replace it is to make the VPN anew. */
const rootLifetimeMs = 20 * yearMs;
/** A master that is gone stops being able to admit members some day, whatever else fails. */
const intermediateLifetimeMs = 5 * yearMs;
const masterLifetimeMs = yearMs;
const operatorLifetimeMs = yearMs;

export const rootPeriod = (nowMs: number): CertificatePeriod => period(nowMs, rootLifetimeMs);
export const intermediatePeriod = (nowMs: number): CertificatePeriod =>
  period(nowMs, intermediateLifetimeMs);
export const masterPeriod = (nowMs: number): CertificatePeriod => period(nowMs, masterLifetimeMs);
export const operatorPeriod = (nowMs: number): CertificatePeriod =>
  period(nowMs, operatorLifetimeMs);

function period(nowMs: number, lifetimeMs: number): CertificatePeriod {
  return { fromMs: nowMs, untilMs: nowMs + lifetimeMs };
}
