/*
 * WireGuard inside a WebSocket, for members whose network lets no UDP through: one binary message is
 * one WireGuard packet, as it would be in UDP. Both ends drop what they cannot pass on at once, as
 * UDP would. docs/protocol.md says who opens it when.
 */

/** Offered as the WebSocket subprotocol. 1 (2026-11-28). */
export const carrierProtocol = 'hanse.wireguard.v1';
export const carrierPath = '/v1/wireguard';

/** What UDP carries over IPv4 at most. */
export const maxCarriedBytes = 65_507;
/** What has not been sent by then is old: a WireGuard packet is worth nothing seconds later. */
export const maxCarriedBacklogBytes = 1024 * 1024;
