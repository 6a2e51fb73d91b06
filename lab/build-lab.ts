import { createRunner, type Runner } from '../src/host/runner.ts';
import { DelayedLinks, delayedDevices } from './delayed-links.ts';
import { commandTimeoutMs, namespaceOf } from './namespaces.ts';
import { renderNodeScript } from './node-script.ts';
import type { LabPlan, LinkEnd, LinkPlan } from './plan.ts';
import { coreName } from './topology.ts';

/** How the machine carries the packets of delayable links. */
export type Delaying =
  | { readonly kind: 'kernel' }
  | { readonly kind: 'process'; readonly links: DelayedLinks }
  /** No link is delayable. */
  | { readonly kind: 'none' };

/** Puts the plan on the machine. After a failure or an abort, part of it is there. */
export async function buildLab(
  labId: string,
  plan: LabPlan,
  signal: AbortSignal | undefined,
): Promise<Delaying> {
  const core = createRunner({ networkNamespace: namespaceOf(labId, coreName) });
  const options = { timeoutMs: commandTimeoutMs, ...(signal ? { signal } : {}) };
  const runBatch = (runner: Runner, lines: readonly string[]) =>
    runner.run('ip', ['-batch', '-'], { ...options, input: `${lines.join('\n')}\n` });

  await runBatch(
    createRunner(),
    plan.nodes.map(({ name }) => `netns add ${namespaceOf(labId, name)}`),
  );
  const delaying = await chooseDelaying(labId, plan, core);
  const carried = delaying.kind === 'process' ? delayableLinks(plan) : [];
  await runBatch(core, [
    ...plan.links.filter((link) => !carried.includes(link)).map((link) => renderVeth(labId, link)),
    ...carried.flatMap((link, index) => renderMoves(labId, link, index)),
  ]);
  const scriptOptions = { kernelDelays: delaying.kind === 'kernel' };
  await Promise.all([
    ...plan.nodes.map((node) =>
      createRunner({ networkNamespace: namespaceOf(labId, node.name) }).run('sh', ['-s'], {
        ...options,
        input: renderNodeScript(plan, node, scriptOptions),
      }),
    ),
    ...(delaying.kind === 'process'
      ? carried.flatMap(({ shape }, link) =>
          (['up', 'down'] as const).map((direction) =>
            delaying.links.reshape({ link, direction, shape }),
          ),
        )
      : []),
  ]);
  return delaying;
}

/** In the order in which a process that carries them knows them. */
export const delayableLinks = (plan: LabPlan): readonly LinkPlan[] =>
  plan.links.filter(({ delayable }) => delayable);

async function chooseDelaying(labId: string, plan: LabPlan, core: Runner): Promise<Delaying> {
  const count = delayableLinks(plan).length;
  if (count === 0) return { kind: 'none' };
  if (await hasNetem(core)) return { kind: 'kernel' };
  const links = await DelayedLinks.open(namespaceOf(labId, coreName), count);
  return { kind: 'process', links };
}

/** Kernels of small machines are built without; only trying tells. */
async function hasNetem(core: Runner): Promise<boolean> {
  const qdisc = (change: string[]) =>
    core.run('tc', ['qdisc', ...change], { timeoutMs: commandTimeoutMs });
  try {
    await qdisc(['add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms']);
    await qdisc(['del', 'dev', 'lo', 'root']);
    return true;
  } catch {
    // Whatever the reason, the kernel does not delay for us here.
    return false;
  }
}

/**
 * Beyond what the kernel counts up to by itself. Were both ends of a pair to have the same index, the
 * kernel would not take them for a pair, and report the carrier up to a second late.
 */
const lowerEndIndex = 10_000;

function renderVeth(labId: string, { upper, lower }: LinkPlan): string {
  const end = ({ device, node }: LinkEnd) => `${device} netns ${namespaceOf(labId, node)}`;
  return `link add ${end(upper)} type veth peer name ${end(lower)} index ${lowerEndIndex}`;
}

/** The devices that the process has made in the core's namespace go where they belong. */
function renderMoves(labId: string, link: LinkPlan, index: number): string[] {
  const made = delayedDevices(index);
  const move = (from: string, { device, node }: LinkEnd) =>
    node === coreName
      ? `link set ${from} name ${device}`
      : `link set ${from} netns ${namespaceOf(labId, node)} name ${device}`;
  return [move(made.upper, link.upper), move(made.lower, link.lower)];
}
