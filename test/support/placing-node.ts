import type { MasterMeasurement } from '../../src/api/measuring-messages.ts';
import type { AdmittedMessage, RefusedMessage } from '../../src/api/messages.ts';
import type { PlacedMessage } from '../../src/api/placing-messages.ts';
import type { Endpoint } from '../../src/model/endpoint.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../../src/model/names.ts';
import { type ClientSession, SessionNode } from './session-client.ts';
import { until } from './until.ts';

export interface PlaceRequest {
  readonly token: string;
  /** Round trips by master. */
  readonly latencies: Readonly<Record<string, number>>;
  readonly declined?: readonly string[];
}

/** A newcomer that speaks by hand of places, and claims to have measured what the test says. */
export class PlacingNode extends SessionNode {
  async askPlace(
    endpoint: Endpoint,
    request: PlaceRequest,
  ): Promise<PlacedMessage | RefusedMessage> {
    await using session = await this.connect(endpoint);
    session.send({
      ...{ type: 'ask-place', token: request.token, name: parseMemberName(this.name) },
      masters: Object.entries(request.latencies).map(measurement),
      declined: (request.declined ?? []).map(parseSubsetName),
    });
    return (await answerOf(session)) as PlacedMessage | RefusedMessage;
  }

  /** @throws Error when it gets none */
  async place(endpoint: Endpoint, request: PlaceRequest): Promise<PlacedMessage> {
    const answer = await this.askPlace(endpoint, request);
    if (answer.type === 'placed') return answer;
    throw new Error(`${this.name} got no place: ${answer.message}`);
  }

  /** Presents a claim; the session is over when it has been answered. */
  async land(endpoint: Endpoint, claim: string): Promise<AdmittedMessage | RefusedMessage> {
    await using session = await this.connect(endpoint);
    const keys = { acting: this.wireguardKey };
    session.send({ type: 'land', claim, name: parseMemberName(this.name), keys });
    return (await answerOf(session)) as AdmittedMessage | RefusedMessage;
  }
}

function answerOf(session: ClientSession): Promise<unknown> {
  return until('an answer', () => session.messages.shift());
}

function measurement([name, latencyMs]: [string, number]): MasterMeasurement {
  return {
    ...{ name: parseMasterName(name), stun: 'answers', ageMs: 5, sent: 8, lost: 0 },
    ...{ latencyMs, jitterMs: 0, control: 'answers' },
  };
}
