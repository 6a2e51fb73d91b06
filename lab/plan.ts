import type { LabAddresses } from './addressing.ts';
import type { NatPlan } from './nat-rules.ts';
import type { LinkShape } from './topology.ts';

/** Everything that is to be built; names of namespaces are not in it, because labs differ in them. */
export interface LabPlan {
  readonly nodes: readonly NodePlan[];
  readonly links: readonly LinkPlan[];
}

export type NodeKind = 'core' | 'carrier' | 'router' | 'host';

export interface NodePlan {
  readonly name: string;
  readonly kind: NodeKind;
  /** Under which others reach it: a router's are those of its uplink. The core has none. */
  readonly addresses: Partial<LabAddresses>;
  /** A router's LAN: a bridge whose ports are the upper ends of its hosts' links. */
  readonly lan?: Attachment;
  readonly nat?: NatPlan;
}

/** Every node but the core has exactly one link towards the core, and the link has its name. */
export interface LinkPlan {
  readonly name: string;
  readonly mtuBytes: number;
  readonly delayable: boolean;
  readonly shape: LinkShape;
  /** The end nearer to the core. */
  readonly upper: LinkEnd;
  readonly lower: LinkEnd;
}

export interface LinkEnd {
  readonly node: string;
  /** Unique in its node. */
  readonly device: string;
  /** Absent at the port of a bridge. */
  readonly attachment?: Attachment;
}

/** How a node is part of a network. */
export interface Attachment {
  readonly addresses: LabAddresses;
  /**
   * Whose link addresses it knows in advance. The links to gateways need no ARP, which would add a
   * round trip to the first packet and a second of silence to each lost question, as no path of the
   * real Internet does.
   */
  readonly neighbours: readonly LabAddresses[];
  readonly routes: readonly RoutePlan[];
}

export interface RoutePlan {
  readonly destination: string;
  readonly via: string;
}

export const lanDevice = 'lan';
export const uplinkDevice = 'uplink';
export const hostDevice = 'eth0';
