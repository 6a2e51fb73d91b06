/*
 * Transfers that show a member how much gets through between it and a master: HTTP over the control
 * port, with the member's certificate. `GET` answers with `transferBytes` zeroes, `POST` takes so many
 * (`core/measuring/probe-schedule`).
 * It is no endpoint of the REST API: what it sends means nothing.
 */
export const transferPath = '/v1/transfer';
export const transferType = 'application/octet-stream';
/** A transfer that is not over by then is given up at both ends. */
export const transferLimitMs = 10_000;
