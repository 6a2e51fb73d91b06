import type { CandidateMaster, MasterMeasurement } from '../../api/measuring-messages.ts';
import type { MasterMessage } from '../../api/messages.ts';
import type {
  AskPlaceMessage,
  FindPlaceMessage,
  PlacedMessage,
} from '../../api/placing-messages.ts';
import { dnsNameOf, type MasterName, type MemberName, type SubsetName } from '../../model/names.ts';
import type { ControlContact, InviteClaims } from '../../trust/invite-token.ts';
import { createSelfSigned } from '../../trust/self-signed-certificate.ts';
import { askInTurn, exchange } from '../ask-masters.ts';
import {
  contactMaster,
  type FirstContactDependencies,
  type FirstContactOptions,
} from '../first-contact.ts';
import type { MemberIdentity } from '../member-directory.ts';
import { isRefusal, MemberError } from '../member-error.ts';
import { unexpected } from '../session.ts';
import { connectToKnownMaster, withConnectTimeout } from '../tls-connection.ts';

export interface HomeMastersOptions {
  readonly invite: InviteClaims;
  readonly token: string;
  readonly identity: MemberIdentity;
  readonly earlier?: NonNullable<FirstContactOptions['earlier']>;
}

/** Whom to measure, according to the home subset. */
export interface Candidates {
  readonly masters: readonly CandidateMaster[];
  /** The root whose fingerprint the invite carries. */
  readonly rootCertificate: string;
}

interface Answered<Type extends MasterMessage['type']> {
  readonly answer: Extract<MasterMessage, { type: Type }>;
  readonly rootCertificate: string;
}

/** What the masters of an invite's home subset are asked before there is a membership. */
export class HomeMasters {
  readonly #options: HomeMastersOptions;
  readonly #dependencies: FirstContactDependencies;

  constructor(options: HomeMastersOptions, dependencies: FirstContactDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** @throws as `askInTurn` */
  async candidates(signal: AbortSignal): Promise<Candidates> {
    const { token } = this.#options;
    const message = { type: 'find-place', token } as const;
    const { answer, rootCertificate } = await this.#ask(message, 'candidates', signal);
    return { masters: answer.masters, rootCertificate };
  }

  /** @throws as `askInTurn` */
  async place(
    request: {
      readonly name: MemberName;
      readonly masters: readonly MasterMeasurement[];
      readonly declined: readonly SubsetName[];
    },
    signal: AbortSignal,
  ): Promise<PlacedMessage> {
    const { token } = this.#options;
    // Where this node is, a master sees for itself.
    const masters = request.masters.map(({ seenAs: _, ...measured }) => measured);
    const declined = [...request.declined];
    const message = { type: 'ask-place', token, name: request.name, masters, declined } as const;
    return (await this.#ask(message, 'placed', signal)).answer;
  }

  /** Resolves when whoever answers there has proved to be the master. @throws MemberError `unreachable`, `untrusted-master` */
  async prove(
    { name, control: endpoint }: CandidateMaster,
    rootCertificate: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { invite, identity, earlier } = this.#options;
    const { clock } = this.#dependencies;
    const { privateKeyPem, keyPair } = identity;
    const chain = earlier?.chain ?? [createSelfSigned(keyPair)];
    const dnsName = dnsNameOf({ kind: 'master', vpn: invite.vpn, name });
    const target = { endpoint, dnsName, rootCertificate };
    const socket = await withConnectTimeout({ endpoint, clock, signal }, (inTime) =>
      connectToKnownMaster(target, { chain, privateKeyPem }, inTime),
    );
    socket.destroy();
  }

  #ask<Type extends 'candidates' | 'placed'>(
    message: FindPlaceMessage | AskPlaceMessage,
    expected: Type,
    signal: AbortSignal,
  ): Promise<Answered<Type>> {
    const ask = async (contact: ControlContact) => {
      const first = await contactMaster({ ...this.#options, contact }, this.#dependencies, signal);
      await using connection = first.connection;
      const answer = await exchange(connection, message, signal).catch((error: unknown) =>
        Promise.reject(isRefusal(error, 'bad-message') ? tooOld(contact.master, error) : error),
      );
      if (answer.type !== expected) throw unexpected(connection.endpoint, answer.type);
      const { rootCertificate } = first;
      return { answer: answer as Answered<Type>['answer'], rootCertificate };
    };
    return askInTurn(this.#options.invite.control, ask, signal);
  }
}

/** Another master of the subset may be younger. */
function tooOld(master: MasterName, cause: unknown): MemberError {
  return new MemberError(`${master} runs a version of Hanse that places nobody: update it`, {
    code: 'unreachable',
    fields: { master },
    retryable: true,
    cause,
  });
}
