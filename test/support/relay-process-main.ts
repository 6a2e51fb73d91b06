import {
  createRelay,
  type PairRequest,
  type Relay,
  type RelayKind,
  removeRelay,
} from '../../src/host/relay/relay.ts';
import type { PortRange } from '../../src/host/relay/relay-ports.ts';
import { createRunner } from '../../src/host/runner.ts';
import { describeError } from '../../src/model/error.ts';
import { silentLog } from '../../src/runtime/log.ts';

/* What a `RelayProcess` runs: it does what its parent asks for over the channel between them. */

export interface RelayProcessOptions {
  readonly owner: string;
  readonly ports: PortRange;
  /** Absent for what the relay finds out by itself. */
  readonly kind?: RelayKind;
}

export type RelayCall =
  | { readonly name: 'open'; readonly request: PairRequest }
  | { readonly name: 'close'; readonly id: string }
  | { readonly name: 'kind' | 'traffic' | 'dispose' | 'remove' };

export interface RelayReply {
  readonly id: number;
  readonly value?: unknown;
  readonly failure?: string;
}

const options = JSON.parse(process.argv[2] ?? '') as RelayProcessOptions;
const runner = createRunner();
let relay: Promise<Relay> | undefined;

/** Made when it is needed first. */
function theRelay(): Promise<Relay> {
  relay ??= createRelay(options, { runner, log: silentLog() });
  return relay;
}

process.on('message', ({ id, call }: { id: number; call: RelayCall }) => {
  void perform(call)
    .then(
      (value): RelayReply => ({ id, value }),
      (error: unknown): RelayReply => ({ id, failure: describeError(error) }),
    )
    .then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());

async function perform(call: RelayCall): Promise<unknown> {
  switch (call.name) {
    case 'open':
      return (await theRelay()).open(call.request);
    case 'close':
      return (await theRelay()).close(call.id);
    case 'kind':
      return (await theRelay()).kind;
    case 'traffic':
      return [...(await (await theRelay()).readTraffic())];
    case 'dispose':
      return (await theRelay())[Symbol.asyncDispose]();
    case 'remove':
      return removeRelay(options.owner, runner);
  }
}
