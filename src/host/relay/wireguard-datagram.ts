/* A relay passes on what looks like WireGuard's messages; nobody without a key can tell more. */

/** Initiation, response, cookie and data; each is followed by three zero bytes (WireGuard, §5.4). */
export const messageTypes = [1, 2, 3, 4] as const;

/** The shortest is a keepalive: header and authentication tag, 16 bytes each. */
export const minDatagramBytes = 32;

export function isWireguardDatagram(datagram: Buffer): boolean {
  return (
    datagram.length >= minDatagramBytes &&
    messageTypes.some((type) => datagram.readUInt32LE() === type)
  );
}
