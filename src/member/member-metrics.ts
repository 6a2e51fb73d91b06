import { directStateSchema } from '../api/direct-messages.ts';
import { type MemberPath, type MemberStatus, sessionStateSchema } from '../api/member-local.ts';
import type { ControlCount } from './control-counts.ts';

/** What a scrape is answered with. */
export interface MetricsPage {
  readonly contentType: string;
  readonly text: string;
}

/**
 * The member's metrics in Prometheus' text format. They are built from the status at every scrape,
 * so they agree with it, and a daemon that nobody scrapes never loads the library (40 ms).
 */
export async function renderMetrics(
  status: MemberStatus,
  counts: readonly ControlCount[],
): Promise<MetricsPage> {
  // It is a CommonJS package: by its names it is found in the sources only, not in the bundle.
  const { default: prometheus } = await import('prom-client');
  const { Counter, Gauge, Registry } = prometheus;
  const registry = new Registry();
  const messages = new Counter({
    name: 'hanse_member_control_messages_total',
    help: 'Control messages by direction, peer and kind',
    labelNames: ['direction', 'peer', 'kind'],
    registers: [registry],
  });
  for (const { direction, peer, kind, count } of counts) {
    messages.inc({ direction, peer, kind }, count);
  }
  for (const { name, help, values } of gauges) {
    const gauge = new Gauge({
      name,
      help,
      labelNames: ['membership', 'state', 'master'],
      registers: [registry],
    });
    for (const membership of status.memberships) {
      for (const [labels, value] of values(membership)) {
        if (value !== undefined) gauge.set({ membership: membership.membership, ...labels }, value);
      }
    }
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}

type Membership = MemberStatus['memberships'][number];
type Sample = readonly [
  labels: { readonly state?: string; readonly master?: string },
  value: number | undefined,
];

const gauges: readonly {
  readonly name: string;
  readonly help: string;
  readonly values: (membership: Membership) => readonly Sample[];
}[] = [
  {
    name: 'hanse_member_session_state',
    help: '1 for the state that the control session is in',
    values: ({ session }) =>
      sessionStateSchema.options.map((state) => [{ state }, session.state === state ? 1 : 0]),
  },
  {
    name: 'hanse_member_reconnects',
    help: 'Rounds of connection attempts since the start, without the first',
    values: ({ session }) => [[{}, session.reconnects]],
  },
  {
    name: 'hanse_member_epoch',
    help: 'Epoch of the subset key in use',
    values: ({ epoch }) => [[{}, epoch]],
  },
  {
    name: 'hanse_member_certificate_end_seconds',
    help: 'When the certificate ends, in Unix time',
    values: ({ certificateEndsAtMs }) => [[{}, seconds(certificateEndsAtMs)]],
  },
  {
    name: 'hanse_member_path_in_use',
    help: '1 for the master through whom packets go',
    values: (membership) => eachPath(membership, ({ inUse }) => Number(inUse)),
  },
  {
    name: 'hanse_member_path_alive',
    help: '1 for each master to whom the tunnel carries packets, 0 for the others',
    values: (membership) => eachPath(membership, ({ isAlive }) => Number(isAlive)),
  },
  {
    name: 'hanse_member_path_over_https',
    help: '1 for each master whose tunnel goes over HTTPS because UDP does not get through, 0 for the others',
    values: (membership) => eachPath(membership, ({ over }) => Number(over === 'https')),
  },
  {
    name: 'hanse_member_path_moves',
    help: 'Moves of traffic from one master to another since the start',
    values: ({ pathMoves }) => [[{}, pathMoves]],
  },
  {
    name: 'hanse_member_direct_paths',
    help: 'Direct paths to other members by state; failed ones count for a minute',
    values: ({ direct }) =>
      directStateSchema.options.map((state) => [
        { state },
        direct.filter((path) => path.state === state).length,
      ]),
  },
  {
    name: 'hanse_member_direct_moves',
    help: 'Moves of traffic between a master and a direct path since the start',
    values: ({ directMoves }) => [[{}, directMoves]],
  },
  {
    name: 'hanse_member_introductions_refused',
    help: 'Members that a master has introduced and that were not to be trusted, since the start',
    values: ({ introductionsRefused }) => [[{}, introductionsRefused]],
  },
  {
    name: 'hanse_member_path_round_trip_seconds',
    help: 'Round trip of the last answered probe of the tunnel',
    values: (membership) => eachPath(membership, ({ roundTripMs }) => seconds(roundTripMs)),
  },
  {
    name: 'hanse_member_handshake_age_seconds',
    help: 'Age of the last WireGuard handshake with the master',
    values: (membership) => eachPath(membership, ({ handshakeAgeMs }) => seconds(handshakeAgeMs)),
  },
  {
    name: 'hanse_member_tunnel_received_bytes',
    help: 'Received through the tunnel since the interface was made',
    values: (membership) => eachPath(membership, ({ receivedBytes }) => receivedBytes),
  },
  {
    name: 'hanse_member_tunnel_sent_bytes',
    help: 'Sent through the tunnel since the interface was made',
    values: (membership) => eachPath(membership, ({ sentBytes }) => sentBytes),
  },
];

function eachPath(
  { masters }: Membership,
  sampleOf: (path: MemberPath) => number | undefined,
): readonly Sample[] {
  return masters.map(({ name, path }) => [{ master: name }, path && sampleOf(path)]);
}

function seconds(timeMs: number | undefined): number | undefined {
  return timeMs === undefined ? undefined : timeMs / 1_000;
}
