import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { PacketStream, StreamResult } from '../../../lab/packet-stream.ts';
import type { LabMember } from '../../../lab/vpn/lab-member.ts';
import { startMemberStream } from '../../../lab/vpn/member-stream.ts';

/** Gateways linger for three seconds, and paths that came back settle as long: what is lost is lost by then. */
const calmMs = 4_500;
/** Shorter than any lease lasts, so that it was the probes that moved the traffic; how fast is the benchmark's to say. */
const longestGapMs = 2_500;
const firstPort = 7_201;

export interface Flow {
  readonly name: string;
  readonly from: LabMember;
  readonly to: LabMember;
  readonly family: 'ipv4' | 'ipv6';
}

export interface FlowLoss {
  readonly lost: number;
  /** 0 when nothing was lost. */
  readonly gapMs: number;
}

/** A packet every five milliseconds, there and back, for each flow. */
export class FailoverTraffic {
  readonly #streams: Map<string, PacketStream>;

  private constructor(streams: Map<string, PacketStream>) {
    this.#streams = streams;
  }

  /** Resolves when packets of all of them have come back. */
  static async start(flows: readonly Flow[]): Promise<FailoverTraffic> {
    const streams = await Promise.all(
      flows.map(async ({ name, from, to, family }, index) => {
        const stream = await startMemberStream(from, to, { family, port: firstPort + index });
        return [name, stream] as const;
      }),
    );
    return new FailoverTraffic(new Map(streams));
  }

  /** Ends it, and holds each flow to its bound: those named were interrupted for a moment, the others lost nothing. */
  async assertLosses(interrupted: readonly string[] = []): Promise<void> {
    await delay(calmMs);
    for (const [name, { lost, gapMs }] of await this.end()) {
      if (interrupted.includes(name)) {
        assert.ok(gapMs <= longestGapMs, `${name}: a gap of ${gapMs} ms`);
      } else {
        assert.equal(lost, 0, `${name}: ${lost} lost, a gap of ${gapMs} ms`);
      }
    }
  }

  /** Ends it, whatever was lost; harmless when it has ended. */
  async end(): Promise<readonly (readonly [string, FlowLoss])[]> {
    const streams = [...this.#streams];
    this.#streams.clear();
    return Promise.all(
      streams.map(async ([name, stream]) => [name, lossOf(await stream.stop())] as const),
    );
  }
}

function lossOf({ lost, longestGap }: StreamResult): FlowLoss {
  return { lost: lost.length, gapMs: lost.length === 0 ? 0 : Math.round(longestGap.lengthMs) };
}
