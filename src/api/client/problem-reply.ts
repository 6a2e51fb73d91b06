import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { problemSchema } from '../problem.ts';
import { ApiError } from './client-error.ts';

const longestProblemBytes = 65_536;

/**
 * The error that a refused request was answered with.
 * @param source where the body comes from: the response, or for CONNECT the connection itself
 */
export async function readProblem(
  response: IncomingMessage,
  source: IncomingMessage | Duplex,
): Promise<ApiError> {
  const status = response.statusCode ?? 0;
  const declared = Number(response.headers['content-length'] ?? 0);
  const wanted =
    source === response ? longestProblemBytes : Math.min(declared, longestProblemBytes);
  const text = await readAtMost(source, wanted);
  const problem = problemSchema.safeParse(parseJson(text));
  if (problem.success) return new ApiError(problem.data, status);
  const message = `the master answered ${status} ${response.statusMessage ?? ''}`.trim();
  return new ApiError({ code: `http-${status}`, message, retryable: status >= 500 }, status);
}

async function readAtMost(source: AsyncIterable<Buffer>, bytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  if (bytes > 0) {
    for await (const chunk of source) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= bytes) break;
    }
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Undefined when it is not JSON, which no schema accepts. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy's HTML page, for one: the status is then all that is known.
    return undefined;
  }
}
