/** Something that must not be where it is looked for. */
export interface Trace {
  readonly what: string;
  readonly bytes: Buffer;
}

const pemCertificate =
  /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s\\n]+?)-----END CERTIFICATE-----/g;

/** Which of them are in the bytes, or in a certificate that is. */
export function findTraces(haystack: Uint8Array, traces: readonly Trace[]): readonly string[] {
  const whole = Buffer.from(haystack);
  const places = [whole, ...certificatesIn(whole.toString('latin1'))];
  return traces
    .filter(({ bytes }) => places.some((place) => place.includes(bytes)))
    .map(({ what }) => what);
}

/** DER of every certificate in PEM, also of those within JSON, where line ends are escaped. */
function certificatesIn(text: string): readonly Buffer[] {
  return [...text.matchAll(pemCertificate)].map(([, body = '']) =>
    Buffer.from(body.replaceAll('\\n', ''), 'base64'),
  );
}
