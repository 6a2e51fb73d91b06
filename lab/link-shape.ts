import type { LinkShape } from './topology.ts';

/** How long packets may queue at a slow link before the newest are dropped. */
const queueMs = 50;
/** tbf passes at most this much at once; what a timer tick lets through must fit (tc-tbf(8)). */
const burstMs = 5;
const leastBurstBytes = 16_000;
/** netem drops beyond this many packets; its own default of 1,000 is 12 ms of a 1 Gbit/s link. */
const netemLimitPackets = 20_000;

/**
 * The `tc -batch` lines that give a device the shape for what it sends, whatever it had before.
 * Delay and loss are part of them only where the kernel does them.
 */
export function renderShape(device: string, shape: LinkShape, byKernel: boolean): string[] {
  const delay = byKernel ? netemArguments(shape) : undefined;
  const rate = shape.rateMbit === undefined ? undefined : tbfArguments(shape.rateMbit);
  if (delay && rate) {
    return [
      `qdisc replace dev ${device} root handle 1: ${delay}`,
      `qdisc replace dev ${device} parent 1:1 handle 2: ${rate}`,
    ];
  }
  return [`qdisc replace dev ${device} root ${delay ?? rate ?? 'noqueue'}`];
}

function netemArguments({ delayMs = 0, jitterMs = 0, lossPercent = 0 }: LinkShape) {
  if (delayMs === 0 && lossPercent === 0) return undefined;
  const jitter = jitterMs > 0 ? ` ${jitterMs}ms` : '';
  const loss = lossPercent > 0 ? ` loss ${lossPercent}%` : '';
  return `netem limit ${netemLimitPackets} delay ${delayMs}ms${jitter}${loss}`;
}

function tbfArguments(rateMbit: number): string {
  const burstBytes = Math.max(leastBurstBytes, Math.ceil((rateMbit * 1_000 * burstMs) / 8));
  return `tbf rate ${Math.round(rateMbit * 1_000)}kbit burst ${burstBytes} latency ${queueMs}ms`;
}
