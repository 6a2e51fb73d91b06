import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** Without the cache, most of the time would go into compiling the same sources again. */
const { PATH: path = '', NODE_COMPILE_CACHE: compileCache = '' } = process.env;
/** The sources, unless a run of all tests has just built them: that starts in a third of the time. */
const program =
  process.env['HANSE_BUILT_PROGRAM'] ??
  fileURLToPath(new URL('../../src/bin/hanse.ts', import.meta.url));

export interface HanseRun {
  readonly exitCode: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunHanseOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Ends the program with SIGINT once standard output has matched. */
  readonly interruptAfter?: RegExp;
}

/** Runs the real program to its end, with nothing of the caller's environment that it reads. */
export async function runHanse(
  args: readonly string[],
  { env = {}, input = '', interruptAfter }: RunHanseOptions = {},
): Promise<HanseRun> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: path, NODE_COMPILE_CACHE: compileCache, HOME: '/nonexistent', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let seen = '';
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
    if (interruptAfter?.test(seen)) child.kill('SIGINT');
  });
  child.stdin.on('error', () => {}).end(input);
  const [out, err, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { exitCode, out, err };
}
