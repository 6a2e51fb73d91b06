import { createRunner, type Runner } from '../../src/host/runner.ts';

const timeoutMs = 30_000;
let serial = 0;

/** A network of its own; all that runs in it ends, and it vanishes, when it is disposed of. */
export interface NetworkNamespace extends AsyncDisposable {
  readonly name: string;
  readonly runner: Runner;
  /** A command line without quotes, run inside. */
  sh(line: string): Promise<string>;
}

/** The name carries our process id, so that no two test processes meet. */
export async function createNamespace(label: string): Promise<NetworkNamespace> {
  serial += 1;
  const name = `hanse-test-${process.pid}-${serial}-${label}`;
  const outside = createRunner();
  const runner = createRunner({ networkNamespace: name });
  await outside.run('ip', ['netns', 'add', name], { timeoutMs });
  const sh = async (line: string): Promise<string> => {
    const [command = '', ...args] = line.split(' ');
    return (await runner.run(command, args, { timeoutMs })).stdout;
  };
  await sh('ip link set lo up');
  return {
    name,
    runner,
    sh,
    [Symbol.asyncDispose]: async () => {
      const { stdout } = await outside.run('ip', ['netns', 'pids', name], { timeoutMs });
      for (const pid of stdout.split('\n').filter((line) => line !== '')) kill(Number(pid));
      await outside.run('ip', ['netns', 'delete', name], { timeoutMs });
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It has ended since it was listed.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** A cable between two namespaces, with an address on each end. */
export async function connectNamespaces(
  one: { readonly namespace: NetworkNamespace; readonly device: string; readonly address: string },
  other: {
    readonly namespace: NetworkNamespace;
    readonly device: string;
    readonly address: string;
  },
): Promise<void> {
  const peer = `peer name ${other.device} netns ${other.namespace.name}`;
  await one.namespace.sh(`ip link add ${one.device} type veth ${peer}`);
  for (const { namespace, device, address } of [one, other]) {
    await namespace.sh(`ip address add ${address} dev ${device} nodad`);
    await namespace.sh(`ip link set ${device} up`);
  }
}
