import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callLocal } from '../../src/api/client/local-client.ts';
import { localStatus, type MembershipStatus } from '../../src/api/member-local.ts';
import { localSocketPath } from '../../src/member/member-directory.ts';
import type { MemberHost } from '../../src/member/member-host.ts';
import type { ResolveHost } from '../../src/member/resolve-endpoint.ts';
import { type MemberOptions, type MemberOutcome, runMember } from '../../src/member/run-member.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { silentLog } from '../../src/runtime/log.ts';
import { getOverSocket } from './socket-get.ts';

/** A temporary directory for a member's state. */
export async function memberDirectory(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'hanse-member-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

export interface RunningMemberParts {
  readonly clock: Clock;
  readonly host: MemberHost;
  /** 0 to 1; always 0 unless said. */
  readonly random?: () => number;
}

/** A member daemon within this process, on a host and a clock that the test holds. */
export class RunningMember implements AsyncDisposable {
  readonly outcome: Promise<MemberOutcome>;
  resolveHost: ResolveHost = async () => '192.0.2.9';
  readonly #directory: string;
  readonly #stop = new AbortController();

  constructor(options: MemberOptions, parts: RunningMemberParts) {
    this.#directory = options.directory;
    this.outcome = runMember(
      options,
      {
        clock: parts.clock,
        log: silentLog(),
        random: parts.random ?? (() => 0),
        resolveHost: (hostName) => this.resolveHost(hostName),
        createHost: async () => parts.host,
      },
      this.#stop.signal,
    );
    // Whoever awaits the outcome sees it; the others dispose.
    this.outcome.catch(() => {});
  }

  get socketPath(): string {
    return localSocketPath(this.#directory);
  }

  /** Of the only membership; undefined while there is none, or no socket yet. */
  async status(): Promise<MembershipStatus | undefined> {
    try {
      const { memberships } = await callLocal(this.socketPath, localStatus, undefined);
      return memberships[0];
    } catch {
      // The daemon is still starting, or over; the tests wait for what they expect.
      return undefined;
    }
  }

  /** What the local socket answers to a plain GET. */
  async get(path: string): Promise<string> {
    return await getOverSocket(this.socketPath, path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.outcome.catch(() => {});
  }
}
