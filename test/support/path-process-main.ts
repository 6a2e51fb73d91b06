import { PathMonitor, type PathStatus, type WatchedPath } from '../../src/paths/path-monitor.ts';
import { ProbeResponder } from '../../src/paths/probe-responder.ts';
import type { ProbeSocketOptions } from '../../src/paths/probe-socket.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLog } from '../../src/runtime/log.ts';

/* What a `PathProcess` runs: monitor and responder of one node, in its network namespace. */

export type PathCall =
  | { readonly name: 'set'; readonly paths: readonly WatchedPath[] }
  | { readonly name: 'strays'; readonly interfaceName: string; readonly ids: readonly string[] }
  | { readonly name: 'respond'; readonly options: ProbeSocketOptions };

export type PathEvent =
  | { readonly name: 'ready' }
  | { readonly name: 'statuses'; readonly statuses: readonly (readonly [string, PathStatus])[] }
  | { readonly name: 'changed'; readonly interfaceName: string; readonly isAlive: boolean }
  | { readonly name: 'strays'; readonly interfaceName: string; readonly ids: readonly string[] }
  | {
      readonly name: 'asked';
      readonly from: string;
      readonly using: boolean;
      readonly sequence: number;
    };

const send = (event: PathEvent): void => void process.send?.(event);
const environment = { clock: systemClock, log: silentLog() };
const { signal } = new AbortController();

const monitor = new PathMonitor({
  ...environment,
  onChange: (interfaceName, isAlive) => send({ name: 'changed', interfaceName, isAlive }),
  onStrays: (interfaceName, strays) =>
    send({
      name: 'strays',
      interfaceName,
      ids: strays.map(({ interfaceId, sequence }) => `${interfaceId} ${sequence}`),
    }),
});

process.on('message', (call: PathCall) => {
  switch (call.name) {
    case 'set':
      return monitor.set(call.paths);
    case 'strays':
      return monitor.sendStrays(
        call.interfaceName,
        call.ids.map((id, sequence) => ({ interfaceId: BigInt(id), sequence })),
      );
    case 'respond': {
      const responder = new ProbeResponder(call.options, {
        ...environment,
        onAsk: (from, { using, sequence }) => send({ name: 'asked', from, using, sequence }),
      });
      void responder.run(signal);
    }
  }
});
process.on('disconnect', () => process.exit());

void monitor.run(signal);
setInterval(() => send({ name: 'statuses', statuses: [...monitor.statuses()] }), 50);
send({ name: 'ready' });
