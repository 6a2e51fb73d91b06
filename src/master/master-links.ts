import { createOperatorClient, type OperatorClient } from '../api/client/operator-client.ts';
import type { CallInput } from '../api/client/request-target.ts';
import type { EndpointDefinition, ReplyOf } from '../api/endpoint-definition.ts';
import { getReadiness, handOver } from '../api/failover-endpoints.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { MasterName, SubsetName } from '../model/names.ts';
import type { ActingLease } from '../model/records/roll.ts';
import { Deadline } from '../runtime/deadline.ts';
import type { Directory } from './directory/directory.ts';
import { MasterError } from './master-error.ts';
import type { MasterIdentity } from './master-identity.ts';

export interface MasterLinksOptions {
  readonly identity: MasterIdentity;
  readonly directory: Directory;
}

interface Link {
  readonly control: Endpoint;
  readonly client: OperatorClient;
}

const connectTimeoutMs = 2_000;
const replyTimeoutMs = 10_000;
/** Somebody waits for the answers of all; a master that takes longer is not ready. */
const readinessTimeoutMs = 1_500;

/** What this master asks of others, with its own certificate. */
export class MasterLinks {
  readonly #options: MasterLinksOptions;
  readonly #links = new Map<MasterName, Link>();

  constructor(options: MasterLinksOptions) {
    this.#options = options;
  }

  /** @throws ApiError when that master says no; ClientError; MasterError `not-acting` when the directory does not have it */
  async call<E extends EndpointDefinition>(
    endpoint: E,
    input: CallInput<E>,
    { master, signal }: { readonly master: MasterName; readonly signal?: AbortSignal | undefined },
  ): Promise<ReplyOf<E>> {
    return this.#client(master).call(endpoint, input, { master, ...(signal ? { signal } : {}) });
  }

  /** Whether that backup could take the subset over now. @throws as `call` */
  async readiness(
    subset: SubsetName,
    master: MasterName,
    signal?: AbortSignal,
  ): Promise<ReplyOf<typeof getReadiness>> {
    using deadline = new Deadline(readinessTimeoutMs, signal);
    const options = { master, signal: deadline.signal };
    return await this.call(getReadiness, { params: { subset } }, options);
  }

  /** Asks the acting master for the subset. @throws as `call` */
  async handOver(
    subset: SubsetName,
    change: NonNullable<ActingLease['offered']>['change'],
    master: MasterName,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.call(handOver, { params: { subset }, body: { change } }, { master, signal });
  }

  #client(master: MasterName): OperatorClient {
    const { directory } = this.#options;
    const record = directory.masters.get(master)?.record;
    if (!record) {
      throw new MasterError(`the directory has no valid record of master ${master}`, {
        code: 'not-acting',
        fields: { master },
        retryable: true,
      });
    }
    const known = this.#links.get(master);
    if (known?.control === record.control) return known.client;
    const link = { control: record.control, client: this.#createClient(master, record.control) };
    this.#links.set(master, link);
    return link.client;
  }

  #createClient(name: MasterName, control: Endpoint): OperatorClient {
    const { directory, identity } = this.#options;
    return createOperatorClient({
      connectTimeoutMs,
      replyTimeoutMs,
      profile: {
        vpn: directory.vpn.name,
        masters: [{ name, control }],
        rootCertificate: directory.vpn.rootCertificate,
        certificateChain: identity.certificate,
        privateKey: identity.privateKey,
      },
    });
  }
}
