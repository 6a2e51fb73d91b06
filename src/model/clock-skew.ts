/**
 * How far the clocks of two nodes may be apart. Certificates begin this much in the past, so that a
 * machine whose clock is behind accepts them at once; and names and addresses rest this much longer
 * than the last certificate that could prove them. Five minutes is what Kerberos allows (RFC 4120
 * §8.2), and NTP stays far within.
 */
export const clockSkewMs = 5 * 60_000;
