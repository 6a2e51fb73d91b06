import { CallError } from './call-error.ts';
import type { Endpoint } from './endpoint.ts';
import { Auth } from './proto/rpc_pb.ts';

export interface UserCredentials {
  readonly name: string;
  readonly password: string;
}

/** The token that etcd gives for a name and a password. It runs out, and does not survive a restart of etcd. */
export class AccessToken {
  readonly #user: UserCredentials;
  #value: string | undefined;
  #renewing: Promise<void> | undefined;

  constructor(user: UserCredentials) {
    this.#user = user;
  }

  /** Undefined until the first `renew`, and where etcd asks nobody for one. */
  get value(): string | undefined {
    return this.#value;
  }

  /**
   * Gets another token than the stale one, unless somebody has done so meanwhile.
   * @throws CallError
   */
  async renew(stale: string | undefined, endpoint: Endpoint, timeoutMs: number): Promise<void> {
    if (this.#value !== stale) return;
    this.#renewing ??= this.#authenticate(endpoint, timeoutMs).finally(() => {
      this.#renewing = undefined;
    });
    await this.#renewing;
  }

  async #authenticate(endpoint: Endpoint, timeoutMs: number): Promise<void> {
    try {
      const options = { timeoutMs, token: undefined, requireLeader: true };
      const answer = await endpoint.call(Auth.method.authenticate, this.#user, options);
      this.#value = answer.token;
    } catch (error) {
      // An operator may name the user first and require it later.
      if (error instanceof CallError && error.says('authentication is not enabled')) return;
      throw error;
    }
  }
}
