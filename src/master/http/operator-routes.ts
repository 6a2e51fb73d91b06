import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { listAudit, listVpnAudit } from '../../api/audit-endpoints.ts';
import { getDirectory } from '../../api/directory-endpoints.ts';
import { directoryView } from '../../api/directory-view.ts';
import * as inviteApi from '../../api/invite-endpoints.ts';
import {
  changeKeying,
  getKeyStatus,
  getUnboundHere,
  getUnboundMasters,
  rotateKey,
} from '../../api/key-endpoints.ts';
import * as memberApi from '../../api/member-endpoints.ts';
import { orderMove as orderMoveEndpoint } from '../../api/move-endpoints.ts';
import { listOperators, revokeOperator } from '../../api/operator-endpoints.ts';
import { getMemberPaths, introduceMember } from '../../api/path-endpoints.ts';
import * as placing from '../../api/placing-endpoints.ts';
import { serveEndpoint } from '../../api/server/serve-endpoint.ts';
import { getStatus, type MasterStatus, watchEvents } from '../../api/status-endpoints.ts';
import { auditRecordSchema, vpnAuditRecordSchema } from '../../model/records/audit.ts';
import { decodeRecord } from '../../model/records/codec.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { auditPrefix, vpnAuditPrefix } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';
import type { Directory } from '../directory/directory.ts';
import type { GatewayKeeper } from '../gateway/gateway-keeper.ts';
import type { MemberTraffic } from '../gateway/member-traffic.ts';
import type { DistantPairs } from '../introductions/distant-pairs.ts';
import type { Seeking } from '../introductions/seeking.ts';
import { findUnbound, findUnboundHere } from '../keying/unbound-masters.ts';
import type { MasterLinks } from '../master-links.ts';
import type { Transfers } from '../measuring/transfers.ts';
import type { LiveEvents } from '../observability/live-events.ts';
import type { PlaceLookup } from '../place/place-lookup.ts';
import type { SessionHub } from '../session/session-hub.ts';
import type { SubsetKeeper } from '../subset/subset-keeper.ts';
import {
  addFailoverRoutes,
  type FailoverRoutesDependencies,
  type Serve,
} from './failover-routes.ts';
import { recordAlsoIn } from './handlers/also-in-handler.ts';
import {
  createInvite,
  createPlacedInvite,
  describeInvites,
  releasePlace,
  requireOperator,
} from './handlers/invite-handlers.ts';
import { KeyHandlers } from './handlers/key-handlers.ts';
import { setKeying } from './handlers/keying-handler.ts';
import { MemberHandlers } from './handlers/member-handlers.ts';
import { orderMove } from './handlers/move-handlers.ts';
import { OperatorHandlers } from './handlers/operator-handlers.ts';
import { answerIntroduction, describePaths } from './handlers/path-handler.ts';
import { RemovalHandler } from './handlers/removal-handler.ts';
import { describeCaller, type OperatorAccess } from './operator-access.ts';
import { addPlacementRoutes } from './placement-routes.ts';

export interface OperatorRoutesDependencies extends FailoverRoutesDependencies {
  readonly access: OperatorAccess;
  readonly directory: Directory;
  readonly subsets: SubsetKeeper;
  readonly hub: SessionHub;
  readonly gateway: GatewayKeeper;
  readonly traffic: MemberTraffic;
  readonly links: MasterLinks;
  readonly seeking: Seeking;
  readonly distantPairs: DistantPairs;
  readonly events: LiveEvents;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly transfers: Transfers;
  readonly places?: PlaceLookup;
  readonly describeStatus: () => Promise<MasterStatus>;
}

/** Every endpoint of the API and what answers it. */
export function addOperatorRoutes(
  app: FastifyInstance,
  dependencies: OperatorRoutesDependencies,
): void {
  const { access } = dependencies;
  const serve: Serve = (endpoint, handler) =>
    serveEndpoint(
      app,
      endpoint,
      (request, definition) => access.authorise(request, definition),
      handler,
    );
  addMasterRoutes(serve, dependencies);
  addInviteRoutes(serve, dependencies);
  addMemberRoutes(serve, dependencies);
  addKeyRoutes(serve, dependencies);
  addOperatorsRoutes(serve, dependencies);
  addFailoverRoutes(serve, dependencies);
  addPlacementRoutes(serve, dependencies);
  dependencies.transfers.addRoutes(app);
}

function addMasterRoutes(serve: Serve, dependencies: OperatorRoutesDependencies): void {
  const { directory, events, subsets } = dependencies;
  serve(getDirectory, async () =>
    directoryView({
      vpn: directory.vpn,
      masters: directory.masterRecords(),
      subsets: directory.subsetRecords(),
      acting: [...directory.actings.values()].map(({ record }) => record),
      drains: [...directory.drains.values()].map(({ record }) => record),
      backboneKey: directory.backboneKey,
      keying: directory.keyingPhase,
    }),
  );
  serve(getStatus, () => dependencies.describeStatus());
  serve(watchEvents, async (_request, { signal }) => events.subscribe(signal));
  serve(listAudit, async ({ params, query }) => {
    const store = subsets.requireStore(params.subset);
    const prefix = auditPrefix(params.subset);
    return { entries: await readAudit(auditRecordSchema, prefix, query.limit, store) };
  });
  serve(listVpnAudit, async ({ query }) => ({
    entries: await readAudit(vpnAuditRecordSchema, vpnAuditPrefix, query.limit, dependencies.store),
  }));
}

async function readAudit<S extends z.ZodType>(
  schema: S,
  prefix: string,
  limit: number,
  store: Store,
): Promise<z.infer<S>[]> {
  const { entries } = await store.range(prefix, { limit, reverse: true });
  return entries.map(({ key, value }) => decodeRecord(schema, key, value));
}

function addInviteRoutes(serve: Serve, dependencies: OperatorRoutesDependencies): void {
  const { subsets, directory } = dependencies;
  serve(inviteApi.createInvite, async ({ params, body }, { caller }) =>
    createInvite(subsets.require(params.subset), directory, {
      ...body,
      createdBy: requireOperator(caller),
    }),
  );
  serve(placing.createPlacedInvite, async ({ params, body }, { caller }) => {
    const { id, home, candidates, ...request } = body;
    return createPlacedInvite(subsets.require(params.subset), directory, {
      ...request,
      placed: { id, home, candidates },
      createdBy: requireOperator(caller),
    });
  });
  serve(placing.releasePlace, async ({ params, body }, { caller }) => ({
    result: await releasePlace(params, body, caller, dependencies),
  }));
  serve(inviteApi.listInvites, async ({ params }) => ({
    invites: describeInvites(subsets.require(params.subset)),
  }));
  serve(inviteApi.revokeInvite, async ({ params }, { caller }) => {
    await subsets.require(params.subset).invites.revoke(params.id, describeCaller(caller.identity));
    return {};
  });
}

function addMemberRoutes(serve: Serve, dependencies: OperatorRoutesDependencies): void {
  const { subsets } = dependencies;
  const members = new MemberHandlers(dependencies);
  const removals = new RemovalHandler(dependencies);
  serve(memberApi.listMembers, async ({ params, query }) =>
    members.list(subsets.requireServed(params.subset), query),
  );
  serve(memberApi.getMember, async ({ params }) =>
    members.show(subsets.requireServed(params.subset), params.name),
  );
  serve(getMemberPaths, ({ params }) =>
    describePaths(subsets.requireServed(params.subset), params.name, dependencies),
  );
  serve(introduceMember, ({ params, body }, { caller }) =>
    answerIntroduction(subsets.requireServed(params.subset), body, caller.identity, dependencies),
  );
  serve(memberApi.removeMember, async ({ params, body }, { caller, signal }) =>
    removals.remove(
      subsets.require(params.subset),
      { name: params.name, ...body, actor: describeCaller(caller.identity) },
      signal,
    ),
  );
  serve(memberApi.confirmMember, async ({ params }, { caller }) => {
    const { confirmations } = subsets.require(params.subset);
    await confirmations.confirm(params.name, describeCaller(caller.identity));
    return {};
  });
  serve(memberApi.confirmMembers, async ({ params }, { caller }) => {
    const { confirmations } = subsets.require(params.subset);
    return { members: [...(await confirmations.confirmAll(describeCaller(caller.identity)))] };
  });
  serve(memberApi.unbanMember, async ({ params }, { caller }) => {
    await subsets
      .require(params.subset)
      .invites.unban(params.name, describeCaller(caller.identity));
    return {};
  });
  serve(orderMoveEndpoint, async ({ params, body }, { caller }) => {
    const actor = describeCaller(caller.identity);
    const request = { name: params.name, ...body, actor };
    await orderMove(subsets.require(params.subset), request, dependencies);
    return {};
  });
  serve(memberApi.recordAlsoIn, async ({ params, body }) => {
    await recordAlsoIn(
      subsets.require(params.subset),
      { name: params.name, chain: body.chain },
      dependencies,
    );
    return {};
  });
}

function addKeyRoutes(serve: Serve, dependencies: OperatorRoutesDependencies): void {
  const { subsets } = dependencies;
  const keys = new KeyHandlers(dependencies);
  serve(getKeyStatus, ({ params }, { signal }) =>
    keys.describe(subsets.require(params.subset), signal),
  );
  const findAllUnbound = (signal: AbortSignal) => findUnbound(dependencies, signal);
  serve(changeKeying, async ({ body }, { caller, signal }) => {
    const by = describeCaller(caller.identity);
    const setting = { ...dependencies, findUnbound: findAllUnbound };
    return { phase: await setKeying(body.phase, by, setting, signal) };
  });
  serve(getUnboundMasters, async (_request, { signal }) => {
    const { unbound, unknown } = await findAllUnbound(signal);
    return {
      unbound: unbound.map(({ subset, masters }) => ({ subset, masters: [...masters] })),
      unknown: [...unknown],
    };
  });
  serve(getUnboundHere, async (_request, { signal }) => ({
    subsets: [...(await findUnboundHere(dependencies, signal))],
  }));
  serve(rotateKey, async ({ params, body }, { caller, signal }) =>
    keys.rotate(
      subsets.require(params.subset),
      { ...body, actor: describeCaller(caller.identity) },
      signal,
    ),
  );
}

/** Operators about operators. */
function addOperatorsRoutes(serve: Serve, dependencies: OperatorRoutesDependencies): void {
  const operators = new OperatorHandlers(dependencies);
  serve(listOperators, async () => ({ operators: [...operators.list()] }));
  serve(revokeOperator, async ({ params }, { caller, signal }) =>
    operators.revoke(params.operator, describeCaller(caller.identity), signal),
  );
}
