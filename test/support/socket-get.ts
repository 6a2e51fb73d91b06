import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';

/** What a program that serves HTTP on a Unix socket answers to a plain GET, whatever its status. */
export async function getOverSocket(socketPath: string, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  get({ socketPath, path }, resolve).once('error', reject);
  return await text(await promise);
}
