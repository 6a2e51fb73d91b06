import { createHost, type Host } from '../../src/host/host.ts';
import { createRunner } from '../../src/host/runner.ts';
import { type ErrorFields, HanseError } from '../../src/model/error.ts';
import type { HostState } from '../../src/model/host-state.ts';
import { silentLog } from '../../src/runtime/log.ts';

/* What a `HostProcess` runs: it does what its parent asks for over the channel between them. */

export type HostCall =
  | { readonly name: 'apply'; readonly state: HostState }
  | { readonly name: 'observeInterface'; readonly interfaceName: string }
  | { readonly name: 'observe' | 'conversations' | 'begunConversations' | 'drops' | 'destroy' };

export interface HostReply {
  readonly id: number;
  readonly value?: unknown;
  readonly failure?: {
    readonly code: string;
    readonly message: string;
    readonly fields: ErrorFields;
  };
}

const [owner = '', notesDirectory = ''] = process.argv.slice(2);
const host = createHost({ owner, notesDirectory }, { runner: createRunner(), log: silentLog() });

process.on('message', ({ id, call }: { id: number; call: HostCall }) => {
  void reply(id, call).then((message) => process.send?.(message));
});
process.on('disconnect', () => process.exit());

async function reply(id: number, call: HostCall): Promise<HostReply> {
  try {
    return { id, value: await perform(await host, call) };
  } catch (error) {
    return { id, failure: describe(error) };
  }
}

function perform(host: Host, call: HostCall): Promise<unknown> {
  switch (call.name) {
    case 'apply':
      return host.apply(call.state, new AbortController().signal);
    case 'observe':
      return host.observe();
    case 'observeInterface':
      return host.observeInterface(call.interfaceName);
    case 'conversations':
      return host.conversations();
    case 'begunConversations':
      return host.begunConversations();
    case 'drops':
      return host.observeDrops();
    case 'destroy':
      return host.destroy();
  }
}

function describe(error: unknown): NonNullable<HostReply['failure']> {
  if (error instanceof HanseError) {
    return { code: error.code, message: error.message, fields: error.fields };
  }
  return { code: 'unexpected', message: String((error as Error).stack ?? error), fields: {} };
}
