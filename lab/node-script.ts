import { type LabAddresses, macOf } from './addressing.ts';
import { renderShape } from './link-shape.ts';
import { type NatPlan, renderNatRules } from './nat-rules.ts';
import {
  type Attachment,
  type LabPlan,
  type LinkEnd,
  type LinkPlan,
  lanDevice,
  type NodePlan,
} from './plan.ts';

/** For a LAN without hosts. */
const longestFrameBytes = 65_535;

export interface NodeScriptOptions {
  /** Whether `tc` lines may ask for netem. */
  readonly kernelDelays: boolean;
}

/**
 * The POSIX shell script that sets a node up from inside its namespace, once the devices are there.
 * One script does everything, because starting programs is what building a lab spends its time on.
 */
export function renderNodeScript(
  plan: LabPlan,
  node: NodePlan,
  { kernelDelays }: NodeScriptOptions,
): string {
  const ends = endsOf(plan, node.name);
  const shapes = ends.flatMap(({ end, link }) =>
    Object.keys(link.shape).length === 0 ? [] : renderShape(end.device, link.shape, kernelDelays),
  );
  return [
    'set -e',
    ...renderSettings(node),
    ...hereDocument('ip -batch -', [
      'link set lo up',
      ...(node.lan ? renderBridge(node.lan, ends) : []),
      ...ends.flatMap(({ end, link }) => renderEnd(end, link)),
    ]),
    ...(shapes.length > 0 ? hereDocument('tc -batch -', shapes) : []),
    ...(node.nat ? renderNat(node.nat) : []),
    ...ends.flatMap(({ end }) => renderCarrierWait(end)),
    '',
  ].join('\n');
}

/** The `ip -batch` lines that make a device work, also after it was down. */
export function renderRevival({ device, attachment }: LinkEnd): string[] {
  return [`link set ${device} up`, ...(attachment ? renderAttachment(device, attachment) : [])];
}

/**
 * Shell lines that wait until a device carries. After both ends of a link are up, or its carrier is
 * back, the kernel may take up to a second before it sends the first packet (net/core/link_watch.c);
 * kernels from 6.8 on hurry when they are asked about the device.
 */
export function renderCarrierWait({ device, attachment }: LinkEnd): string[] {
  return [device, ...(attachment ? [] : [lanDevice])].map(
    (name) =>
      `while read -r state </sys/class/net/${name}/operstate; ` +
      '[ "$state" = down ] || [ "$state" = lowerlayerdown ]; ' +
      `do sleep 0.01; ip link show dev ${name} >/dev/null; done`,
  );
}

function renderAttachment(device: string, attachment: Attachment): string[] {
  const { addresses, neighbours, routes } = attachment;
  return [
    ...familiesOf(addresses).map(
      ({ ip, prefixLength }) =>
        `address replace ${ip}/${prefixLength} dev ${device}${ip.includes(':') ? ' nodad' : ''}`,
    ),
    ...neighbours.flatMap((neighbour) => renderNeighbour(device, neighbour)),
    ...routes.map(
      ({ destination, via }) => `route replace ${destination} via ${via} dev ${device}`,
    ),
  ];
}

/** The `ip -batch` lines by which the others on a device's network know a node in advance. */
export function renderNeighbour(device: string, neighbour: LabAddresses): string[] {
  return familiesOf(neighbour).map(
    ({ ip }) =>
      `neighbour replace ${ip} lladdr ${macOf(neighbour.ipv4)} dev ${device} nud permanent`,
  );
}

const familiesOf = ({ ipv4, ipv6 }: LabAddresses) => (ipv6 ? [ipv4, ipv6] : [ipv4]);

interface EndOfLink {
  readonly end: LinkEnd;
  readonly link: LinkPlan;
}

function endsOf(plan: LabPlan, node: string): EndOfLink[] {
  return plan.links.flatMap((link) =>
    [link.upper, link.lower].filter((end) => end.node === node).map((end) => ({ end, link })),
  );
}

function renderSettings(node: NodePlan): string[] {
  return [
    // Addresses are planned, so nobody needs to wait a second for the search for duplicates; and
    // each device has a setting of its own, once it exists.
    'for setting in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >"$setting"; done',
    ...(node.kind === 'host'
      ? []
      : [
          renderSetting('ipv4/conf/all/forwarding', 1),
          renderSetting('ipv6/conf/all/forwarding', 1),
          // Or a router would tell its hosts to write to each other when it turns a hairpin.
          renderSetting('ipv4/conf/all/send_redirects', 0),
          renderSetting('ipv4/conf/default/send_redirects', 0),
          // What stays in a LAN is none of the router's rules; the setting is not on all machines.
          `for setting in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do
  if [ -e "$setting" ]; then echo 0 >"$setting"; fi
done`,
        ]),
  ];
}

function renderNat(nat: NatPlan): string[] {
  // The settings are there once conntrack is in use.
  const timeouts = ['udp_timeout', 'udp_timeout_stream'].map((name) =>
    renderSetting(`netfilter/nf_conntrack_${name}`, nat.mappingSeconds),
  );
  return [...hereDocument('nft -f -', [renderNatRules(nat, 1)]), ...timeouts];
}

const renderSetting = (setting: string, value: number): string =>
  `echo ${value} >/proc/sys/net/${setting}`;

function renderBridge(lan: Attachment, ends: readonly EndOfLink[]): string[] {
  const ports = ends.filter(({ end }) => isPort(end));
  const mtuBytes = Math.min(...ports.map(({ link }) => link.mtuBytes), longestFrameBytes);
  return [
    `link add ${lanDevice} type bridge forward_delay 0 mcast_snooping 0`,
    `link set ${lanDevice} address ${macOf(lan.addresses.ipv4)} mtu ${mtuBytes} up`,
    ...renderAttachment(lanDevice, lan),
  ];
}

const isPort = (end: LinkEnd): boolean => end.attachment === undefined;

/** The `ip -batch` lines that make a device an end of a link, once it is there. */
export function renderEnd(end: LinkEnd, { mtuBytes }: LinkPlan): string[] {
  const identity = end.attachment
    ? `address ${macOf(end.attachment.addresses.ipv4)}`
    : `master ${lanDevice}`;
  return [`link set ${end.device} ${identity} mtu ${mtuBytes}`, ...renderRevival(end)];
}

function hereDocument(command: string, lines: readonly string[]): string[] {
  return [`${command} <<'END'`, ...lines, 'END'];
}
