import { spawn } from 'node:child_process';
import { environment, root } from './repository.mjs';

/**
 * Runs a program to its end in the repository.
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {Promise<{ exitCode: number | null, output: string }>} both outputs in one;
 *   the exit code is null when a signal ended it or it could not be started
 */
export function runCommand(command, args) {
  const child = spawn(command, args, {
    cwd: root,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => chunks.push(chunk));
  return new Promise((resolve) => {
    const end = (exitCode) => resolve({ exitCode, output: Buffer.concat(chunks).toString('utf8') });
    child.on('error', (error) => {
      chunks.push(Buffer.from(`${command}: ${error.message}\n`));
      end(null);
    });
    child.on('close', end);
  });
}

/**
 * The same, for programs that must succeed.
 * @returns {Promise<string>}
 * @throws {Error} with the command and all that it said
 */
export async function requireCommand(command, args) {
  const { exitCode, output } = await runCommand(command, args);
  if (exitCode === 0) return output;
  throw new Error(`${[command, ...args].join(' ')} failed:\n${output.trim()}`);
}

/**
 * Runs a program in the place of this one: with its terminal, its signals and its exit code.
 * @param {string} command
 * @param {readonly string[]} args
 */
export function becomeCommand(command, args) {
  const child = spawn(command, args, { cwd: root, env: environment, stdio: 'inherit' });
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(name, () => {
      // Ctrl-C reaches both by the terminal itself.
      if (name !== 'SIGINT' || !process.stdin.isTTY) child.kill(name);
    });
  }
  child.on('error', (error) => {
    console.error(`${command}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 143);
  });
}
