import type { FastifyInstance } from 'fastify';
import { directoryView } from '../../api/directory-view.ts';
import * as api from '../../api/endpoints.ts';
import { getKeyStatus, rotateKey } from '../../api/key-endpoints.ts';
import { listOperators, revokeOperator } from '../../api/operator-endpoints.ts';
import { getMemberPaths } from '../../api/path-endpoints.ts';
import { serveEndpoint } from '../../api/server/serve-endpoint.ts';
import type { SubsetName } from '../../model/names.ts';
import { auditRecordSchema, decodeRecord } from '../../model/records.ts';
import type { Clock } from '../../runtime/clock.ts';
import { auditPrefix } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';
import type { Directory } from '../directory/directory.ts';
import type { GatewayKeeper } from '../gateway/gateway-keeper.ts';
import { MasterError } from '../master-error.ts';
import type { LiveEvents } from '../observability/live-events.ts';
import type { SessionHub } from '../session/session-hub.ts';
import type { SubsetKeeper } from '../subset/subset-keeper.ts';
import {
  addFailoverRoutes,
  type FailoverRoutesDependencies,
  type Serve,
} from './failover-routes.ts';
import { recordAlsoIn } from './handlers/also-in-handler.ts';
import { createInvite, describeInvites } from './handlers/invite-handlers.ts';
import { KeyHandlers } from './handlers/key-handlers.ts';
import { MemberHandlers } from './handlers/member-handlers.ts';
import { OperatorHandlers } from './handlers/operator-handlers.ts';
import { describePaths } from './handlers/path-handler.ts';
import { RemovalHandler } from './handlers/removal-handler.ts';
import { describeCaller, type OperatorAccess } from './operator-access.ts';

export interface OperatorRoutesDependencies extends FailoverRoutesDependencies {
  readonly access: OperatorAccess;
  readonly directory: Directory;
  readonly subsets: SubsetKeeper;
  readonly hub: SessionHub;
  readonly gateway: GatewayKeeper;
  readonly events: LiveEvents;
  readonly store: Store;
  readonly clock: Clock;
  readonly describeStatus: () => Promise<api.MasterStatus>;
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
}

function addMasterRoutes(serve: Serve, dependencies: OperatorRoutesDependencies): void {
  const { directory, events, subsets } = dependencies;
  serve(api.getDirectory, async () =>
    directoryView({
      vpn: directory.vpn,
      masters: directory.masterRecords(),
      subsets: directory.subsetRecords(),
      acting: [...directory.actings.values()].map(({ record }) => record),
      drains: [...directory.drains.values()].map(({ record }) => record),
      backboneKey: directory.backboneKey,
    }),
  );
  serve(api.getStatus, () => dependencies.describeStatus());
  serve(api.watchEvents, async (_request, { signal }) => events.subscribe(signal));
  serve(api.listAudit, async ({ params, query }) => {
    const store = subsets.requireStore(params.subset);
    return { entries: await readAudit(store, params.subset, query.limit) };
  });
}

async function readAudit(
  store: Store,
  subset: SubsetName,
  limit: number,
): Promise<ReturnType<typeof decodeAudit>[]> {
  const { entries } = await store.range(auditPrefix(subset), { limit, reverse: true });
  return entries.map(({ key, value }) => decodeAudit(key, value));
}

const decodeAudit = (key: string, value: Uint8Array) => decodeRecord(auditRecordSchema, key, value);

function addInviteRoutes(serve: Serve, { subsets, directory }: OperatorRoutesDependencies): void {
  serve(api.createInvite, async ({ params, body }, { caller }) => {
    const { identity } = caller;
    if (identity.kind !== 'operator')
      throw new MasterError('only operators invite', { code: 'not-permitted' });
    return createInvite(subsets.require(params.subset), directory, {
      ...body,
      createdBy: identity.name,
    });
  });
  serve(api.listInvites, async ({ params }) => ({
    invites: describeInvites(subsets.require(params.subset)),
  }));
  serve(api.revokeInvite, async ({ params }, { caller }) => {
    await subsets.require(params.subset).invites.revoke(params.id, describeCaller(caller.identity));
    return {};
  });
}

function addMemberRoutes(serve: Serve, dependencies: OperatorRoutesDependencies): void {
  const { subsets } = dependencies;
  const members = new MemberHandlers(dependencies);
  const removals = new RemovalHandler(dependencies);
  serve(api.listMembers, async ({ params, query }) =>
    members.list(subsets.requireServed(params.subset), query),
  );
  serve(api.getMember, async ({ params }) =>
    members.show(subsets.requireServed(params.subset), params.name),
  );
  serve(getMemberPaths, ({ params }) =>
    describePaths(subsets.requireServed(params.subset), params.name, dependencies),
  );
  serve(api.removeMember, async ({ params, body }, { caller, signal }) =>
    removals.remove(
      subsets.require(params.subset),
      { name: params.name, ...body, actor: describeCaller(caller.identity) },
      signal,
    ),
  );
  serve(api.confirmMember, async ({ params }, { caller }) => {
    const { confirmations } = subsets.require(params.subset);
    await confirmations.confirm(params.name, describeCaller(caller.identity));
    return {};
  });
  serve(api.confirmMembers, async ({ params }, { caller }) => {
    const { confirmations } = subsets.require(params.subset);
    return { members: [...(await confirmations.confirmAll(describeCaller(caller.identity)))] };
  });
  serve(api.unbanMember, async ({ params }, { caller }) => {
    await subsets
      .require(params.subset)
      .invites.unban(params.name, describeCaller(caller.identity));
    return {};
  });
  serve(api.recordAlsoIn, async ({ params, body }) => {
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
  serve(getKeyStatus, async ({ params }) => keys.describe(subsets.require(params.subset)));
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
