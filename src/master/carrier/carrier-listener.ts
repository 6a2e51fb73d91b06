import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { WebSocket, WebSocketServer } from 'ws';
import { carrierProtocol, maxCarriedBytes } from '../../api/carrier.ts';
import { HanseError } from '../../model/error.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { type CallerContext, identifyCaller } from '../http/caller.ts';
import {
  createUpgradeServer,
  rejectProtocol,
  rejectUpgrade,
  type UpgradeRejection,
} from '../http/websocket-upgrade.ts';
import type { SessionMember } from '../session/member-session.ts';
import {
  type KnownCaller,
  type MembershipGate,
  type SessionObserver,
  SessionRefusal,
} from '../session/membership-gate.ts';
import { Carrier } from './carrier.ts';

export interface CarrierListenerDependencies {
  readonly gate: Pick<MembershipGate, 'recognise'>;
  readonly observer: Pick<SessionObserver, 'refused'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly callerContext: () => CallerContext;
  /** The UDP port on which this master's WireGuard takes members. */
  readonly wireguardPort: () => number;
}

/** Each takes a UDP socket; whoever comes after them has to do without. */
const maxCarriers = 2_000;
const checkEveryMs = 20_000;
/** Policy violation, in WebSocket's words (RFC 6455 §7.4.1). */
const refusedCode = 1008;
/** Normal closure. */
const endedCode = 1000;

interface Entry {
  readonly carrier: Carrier;
  readonly caller: KnownCaller;
}

/** Takes members' WireGuard packets over WebSockets: one carrier a member, the newest. */
export class CarrierListener {
  readonly #server: WebSocketServer;
  readonly #dependencies: CarrierListenerDependencies;
  readonly #entries = new Map<string, Entry>();
  #begun = 0;

  constructor(dependencies: CarrierListenerDependencies) {
    this.#dependencies = dependencies;
    this.#server = createUpgradeServer(carrierProtocol, maxCarriedBytes);
  }

  /** Members whose packets come this way now. */
  get size(): number {
    return this.#entries.size;
  }

  /** For the HTTP server's `upgrade` event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const rejection = this.#rejectionOf(request);
    if (rejection) {
      rejectUpgrade(socket, rejection);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      // What breaks the protocol is closed by the library.
      webSocket.on('error', () => undefined);
      void this.#begin(webSocket, request.socket as TLSSocket);
    });
  }

  /** The member is out: nothing of it is passed on any more. */
  end({ subset, name }: Pick<SessionMember, 'subset' | 'name'>): void {
    this.#entries.get(keyOf({ subset, name }))?.carrier.close(endedCode, 'out of the roll');
  }

  /** Finds carriers whose other end is gone, or is no member here any more. Runs until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#dependencies;
    while (!signal.aborted) {
      await clock.sleep(checkEveryMs, signal).catch(() => undefined);
      await Promise.all([...this.#entries.values()].map((entry) => this.#check(entry)));
    }
    for (const { carrier } of this.#entries.values()) carrier.close(1012, 'the master restarts');
  }

  #rejectionOf(request: IncomingMessage): UpgradeRejection | undefined {
    const rejection = rejectProtocol(request, carrierProtocol);
    if (rejection || this.size < maxCarriers) return rejection;
    return {
      status: '503 Service Unavailable',
      message: 'this master carries as many members over HTTPS as it can',
    };
  }

  /** What is sent before the member is known is dropped, as it would be before a handshake. */
  async #begin(webSocket: WebSocket, tls: TLSSocket): Promise<void> {
    try {
      const caller = await this.#identify(tls);
      const key = keyOf(await this.#dependencies.gate.recognise(caller));
      if (webSocket.readyState !== webSocket.OPEN) return;
      const port = this.#dependencies.wireguardPort();
      const carrier = new Carrier(webSocket, port, loopbackAddress(this.#begun++));
      const entry = { carrier, caller };
      this.#entries.get(key)?.carrier.close(endedCode, 'replaced by a newer one');
      this.#entries.set(key, entry);
      webSocket.once('close', () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      });
    } catch (error) {
      this.#refuse(webSocket, error);
    }
  }

  /** @throws SessionRefusal */
  async #identify(tls: TLSSocket): Promise<KnownCaller> {
    const caller = await identifyCaller(tls, this.#dependencies.callerContext());
    if (caller.kind === 'known' && !caller.expired) return caller;
    throw new SessionRefusal('packets are carried for members with a valid certificate only', {
      code: 'not-a-member',
    });
  }

  #refuse(webSocket: WebSocket, error: unknown): void {
    const { observer, log } = this.#dependencies;
    const isOurs = error instanceof HanseError;
    const code = isOurs ? error.code : 'internal';
    observer.refused(code, isOurs ? error.message : 'a carrier could not be begun');
    log.debug({ code, error }, 'refused a carrier');
    webSocket.close(refusedCode, code);
  }

  async #check({ carrier, caller }: Entry): Promise<void> {
    if (!carrier.check()) {
      carrier[Symbol.dispose]();
      return;
    }
    try {
      await this.#dependencies.gate.recognise(caller);
    } catch (error) {
      if (error instanceof HanseError && error.retryable) return;
      carrier.close(refusedCode, 'no member here any more');
    }
  }
}

/** WireGuard limits handshakes by address when it is busy, and one member must not use up what others need. */
function loopbackAddress(number: number): string {
  return `127.${64 + ((number >> 16) & 63)}.${(number >> 8) & 255}.${number & 255}`;
}

function keyOf({ subset, name }: Pick<SessionMember, 'subset' | 'name'>): string {
  return `${subset}/${name}`;
}
