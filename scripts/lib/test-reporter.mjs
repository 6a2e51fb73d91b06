import { inspect } from 'node:util';

/**
 * What a test file reports to the runner: one JSON line for each test that has ended.
 *
 * @typedef {{
 *   name: string, outcome: 'passed' | 'failed' | 'skipped', durationMs: number, error?: string
 * }} TestReport
 */

/**
 * A reporter as `node --test-reporter` takes it. A suite is no test, and a test that failed because
 * of its parts is reported without an error of its own.
 */
// biome-ignore lint/style/noDefaultExport: node:test finds reporters by it.
export default async function* reportLines(events) {
  /** The names of the tests that have begun and not ended, from the outermost. */
  const path = [];
  for await (const { type, data } of events) {
    if (type === 'test:start') path[data.nesting] = data.name;
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const failed = type === 'test:fail' && data.todo === undefined;
    if (data.details.type === 'suite' && !failed) continue;
    const name = [...path.slice(0, data.nesting), data.name].join(' > ');
    const error = failed ? describe(data.details.error) : undefined;
    if (data.details.type === 'suite' && error === undefined) continue;
    const passed = data.skip === undefined && data.todo === undefined ? 'passed' : 'skipped';
    const report = {
      name,
      outcome: failed ? 'failed' : passed,
      durationMs: data.details.duration_ms,
    };
    yield `${JSON.stringify({ ...report, error })}\n`;
  }
}

function describe(error) {
  if (error.failureType === 'subtestsFailed') return undefined;
  const cause = error.cause ?? error;
  return typeof cause === 'string' ? cause : inspect(cause, { depth: 8 });
}
