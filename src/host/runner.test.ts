import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { until } from '../../test/support/until.ts';
import { HostError } from './host-error.ts';
import { createRunner } from './runner.ts';

const timeoutMs = 10_000;
const runner = createRunner();

/** The arguments of a small real program. */
function script(text: string): [string, string[]] {
  return ['sh', ['-c', text]];
}

describe('the runner', () => {
  it('gives back what a program printed', async () => {
    assert.deepEqual(await runner.run(...script('echo one; echo two >&2'), { timeoutMs }), {
      stdout: 'one\n',
    });
  });

  it('gives input to a program, also by the name /dev/stdin, and leaves no file behind', async () => {
    const input = 'secret\n'.repeat(100_000);
    for (const text of ['cat', 'cat /dev/stdin']) {
      const { stdout } = await runner.run(...script(text), { input, timeoutMs });
      assert.equal(stdout, input);
    }
    const left = (await readdir('/dev/shm')).filter((name) => name.startsWith('hanse-input-'));
    assert.deepEqual(left, []);
  });

  it('does not mind a program that ignores its input', async () => {
    await runner.run('true', [], { input: 'x'.repeat(1_000_000), timeoutMs });
  });

  it('runs programs in the C locale, whatever ours is', async () => {
    const { stdout } = await runner.run(...script('echo $LC_ALL'), { timeoutMs });
    assert.equal(stdout, 'C\n');
  });

  it('reports the whole line, the exit code and what the program said', async () => {
    const failed = runner.run(...script(`echo "it's bad" >&2; exit 3`), { timeoutMs });
    await assert.rejects(failed, (error) => {
      assert.ok(error instanceof HostError);
      assert.equal(error.code, 'command-failed');
      assert.deepEqual(error.fields, {
        command: `sh -c 'echo "it'\\''s bad" >&2; exit 3'`,
        stderr: "it's bad",
        exitCode: 3,
      });
      assert.match(error.message, /failed \(exit 3\): it's bad$/);
      return true;
    });
  });

  it('never shows input in an error', async () => {
    const failed = runner.run(...script('exit 1'), { input: 'secret', timeoutMs });
    await assert.rejects(failed, (error) => !JSON.stringify(error).includes('secret'));
  });

  it('names the package of a program that is missing', async () => {
    await assert.rejects(runner.run('not-a-program', [], { timeoutMs }), {
      code: 'missing-program',
      fields: { program: 'not-a-program', package: 'not-a-program' },
    });
  });

  it('kills a program that takes too long and says so', async () => {
    await assert.rejects(runner.run('sleep', ['60'], { timeoutMs: 50 }), {
      code: 'command-failed',
      fields: { command: 'sleep 60', stderr: '', reason: 'took over 50 ms' },
    });
  });

  it('kills a program when it is aborted, and rejects with the reason for that', async () => {
    await using directory = await temporaryDirectory();
    const begun = join(directory.path, 'begun');
    const controller = new AbortController();
    const options = { timeoutMs, signal: controller.signal };
    const running = runner.run(...script(`touch ${begun}; exec sleep 60`), options);
    const early = runner.run('sleep', ['60'], options);
    const rejected = Promise.all(
      [running, early].map((it) => assert.rejects(it, /^Error: enough$/)),
    );
    await until('it runs', () => existsSync(begun));
    controller.abort(new Error('enough'));
    await rejected;
    await assert.rejects(
      runner.run('true', [], { timeoutMs, signal: controller.signal }),
      /^Error: enough$/,
    );
  });

  it('keeps no more than so much of what a program complains about', async () => {
    const failed = runner.run(...script('yes complaint | head -c 10000000 >&2; exit 1'), {
      timeoutMs,
    });
    await assert.rejects(failed, (error) => (error as Error).message.length < 20_000);
  });

  it('starts a program in a session of its own that writes to its log', async () => {
    await using directory = await temporaryDirectory();
    const logPath = join(directory.path, 'log');
    const started = await runner.start(...script('echo $WHO; exec sleep 60'), {
      logPath,
      env: { WHO: 'me' },
    });
    try {
      await until('it has written', async () => (await readFile(logPath, 'utf8')) === 'me\n');
      const stat = await readFile(`/proc/${started.pid}/stat`, 'utf8');
      const session = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
      assert.equal(session, started.pid);
      assert.equal(await readlink(`/proc/${started.pid}/fd/0`), '/dev/null');
    } finally {
      process.kill(started.pid, 'SIGKILL');
    }
    assert.equal(await started.exited, undefined);
  });

  it('says that a program to be started is missing', async () => {
    await using directory = await temporaryDirectory();
    const logPath = join(directory.path, 'log');
    await assert.rejects(runner.start('not-a-program', [], { logPath }), {
      code: 'missing-program',
    });
  });
});

describe('a program that is talked to', () => {
  const isAnswer = (): boolean => true;
  const open = (text: string, options = {}) =>
    runner.open(...script(text), { isAnswer, maxAnswerBytes: 1_000_000, ...options });

  it('answers one question after the other, however long', async () => {
    await using echo = await open(
      'while read size; do head -c $size /dev/zero | tr "\\0" x; echo; done',
    );
    for (const size of [1, 500_000, 0, 2]) {
      assert.equal(await echo.ask(String(size), { timeoutMs }), 'x'.repeat(size));
    }
  });

  it('may print what is no answer, and has variables of its own', async () => {
    const options = { isAnswer: (line: string) => line.startsWith('{'), env: { WHO: 'me' } };
    await using program = await open('while read it; do echo "> $it"; echo "{$WHO"; done', options);
    assert.equal(await program.ask('who', { timeoutMs }), '{me');
    assert.equal(await program.ask('who', { timeoutMs }), '{me');
  });

  it('is over when it complains, and the error has all that it said', async () => {
    await using program = await open(
      'while read it; do echo bad >&2; sleep .1; echo worse >&2; done',
    );
    await assert.rejects(program.ask('what', { timeoutMs }), {
      code: 'command-failed',
      message: /: bad\nworse$/,
    });
    assert.ok(program.isOver);
    await assert.rejects(program.ask('again', { timeoutMs }), { code: 'command-failed' });
  });

  it('is over when it ends, before it is asked or while it is', async () => {
    await using early = await open('exit 3');
    await until('it has ended', () => early.isOver);
    await assert.rejects(early.ask('what', { timeoutMs }), /\(exit 3\)$/);
    await using late = await open('read it; kill -9 $$');
    await assert.rejects(late.ask('what', { timeoutMs }), /\(was killed\)$/);
  });

  it('is killed when it does not answer in time, also with children that hold its output', async () => {
    await using program = await open('sleep .5 & wait');
    await assert.rejects(program.ask('what', { timeoutMs: 50 }), /\(took over 50 ms\)$/);
  });

  it('is killed when its answer is too long', async () => {
    await using program = await open('yes | tr -d "\\n"', { maxAnswerBytes: 1_000 });
    await assert.rejects(program.ask('what', { timeoutMs }), /\(printed too much\)$/);
  });

  it('ends when it is disposed of, even if it does not want to', async () => {
    const willing = await open('cat');
    await willing[Symbol.asyncDispose]();
    assert.ok(willing.isOver);
    const deaf = await open('exec sleep 60');
    await deaf[Symbol.asyncDispose]();
    await assert.rejects(deaf.ask('what', { timeoutMs }), /\(did not end\)$/);
  });

  it('that is missing is named', async () => {
    const options = { isAnswer, maxAnswerBytes: 1 };
    await assert.rejects(runner.open('not-a-program', [], options), { code: 'missing-program' });
  });

  it('lets our process end, and ends with it when that is killed', async () => {
    const module = new URL('runner.ts', import.meta.url).href;
    const talk = `
      import { createRunner } from '${module}';
      const options = { isAnswer: () => true, maxAnswerBytes: 100 };
      const program = await createRunner().open('sh', ['-c', 'echo $$; exec cat'], options);
      console.log(await program.ask('x', { timeoutMs: 10000 }));
    `;
    const isThere = (pid: number): boolean => existsSync(`/proc/${pid}`);
    const quiet = await runNode(talk);
    assert.deepEqual(await once(quiet.child, 'exit'), [0, null]);
    await until('the program has ended', () => !isThere(quiet.pid));
    const busy = await runNode(`${talk}; setInterval(() => {}, 1000);`);
    assert.ok(isThere(busy.pid));
    busy.child.kill('SIGKILL');
    await until('the program has ended', () => !isThere(busy.pid));
  });
});

/** Runs a module in a process of its own, and waits for the process id that it prints. */
async function runNode(
  module: string,
): Promise<{ readonly child: ChildProcess; readonly pid: number }> {
  const args = [...process.execArgv, '--input-type=module', '--eval', module];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, pid: Number(line) };
}
