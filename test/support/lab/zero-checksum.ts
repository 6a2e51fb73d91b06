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
  for (let number = 0; texts.length < count; number += 1) {
    const text = createHash('sha1').update(String(number)).digest('hex');
    if (onesComplementSum(path, text) === 0xffff) texts.push(text);
  }
  return texts;
}

/** Its complement is the checksum. */
function onesComplementSum({ from, to, port }: UdpPath, text: string): number {
  const length = udpHeaderBytes + text.length;
  const payload = Buffer.concat([addressBytes(from), addressBytes(to), Buffer.from(text)]);
  let sum = udpProtocol + 2 * length + 2 * port;
  for (let at = 0; at < payload.length; at += 2) sum += payload.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
