/** Runs something while no program can be found on the path. Not for tests that run side by side in one process. */
export async function withoutPrograms<T>(action: () => Promise<T>): Promise<T> {
  const { PATH = '' } = process.env;
  Object.assign(process.env, { PATH: '/nowhere' });
  try {
    return await action();
  } finally {
    Object.assign(process.env, { PATH });
  }
}
