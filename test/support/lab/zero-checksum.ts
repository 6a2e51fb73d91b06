import { createHash } from 'node:crypto';
import { type Address, addressBytes } from '../../../src/model/prefix.ts';

interface UdpPath {
  readonly from: Address;
  readonly to: Address;
  /** At both ends. */
  readonly port: number;
}

const udpProtocol = 17;
const udpHeaderBytes = 8;

/**
 * Payloads whose UDP datagrams over IPv6 have a checksum that comes out as zero (RFC 768; RFC 8200
 * §8.1 has the pseudo-header).
 */
export function textsWithZeroChecksum(path: UdpPath, count: number): readonly string[] {
  const texts: string[] = [];
  const addresses = sumOfWords(Buffer.concat([addressBytes(path.from), addressBytes(path.to)]));
  for (let number = 0; texts.length < count; number += 1) {
    const text = createHash('sha1').update(String(number)).digest('hex');
    const length = udpHeaderBytes + text.length;
    const headers = addresses + udpProtocol + 2 * length + 2 * path.port;
    // Of which the checksum is the complement.
    if (folded(headers + sumOfWords(Buffer.from(text))) === 0xffff) texts.push(text);
  }
  return texts;
}

function sumOfWords(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  return sum;
}

/** In ones' complement of 16 bits. */
function folded(sum: number): number {
  return sum > 0xffff ? folded((sum & 0xffff) + (sum >>> 16)) : sum;
}
