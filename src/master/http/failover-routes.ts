import type { EndpointDefinition } from '../../api/endpoint-definition.ts';
import * as api from '../../api/failover-endpoints.ts';
import { reportMove } from '../../api/move-endpoints.ts';
import type { EndpointHandler } from '../../api/server/serve-endpoint.ts';
import type { MasterName } from '../../model/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Store } from '../../store/store.ts';
import type { Directory } from '../directory/directory.ts';
import type { MemberCertificates } from '../member-certificates.ts';
import type { KnownCaller } from '../session/membership-gate.ts';
import type { SessionHub } from '../session/session-hub.ts';
import type { SubsetKeeper } from '../subset/subset-keeper.ts';
import { readFailovers } from '../subset/takeover-record.ts';
import { BackupHandlers } from './handlers/backup-handlers.ts';
import { DrainHandler } from './handlers/drain-handler.ts';
import { describeCaller, type OperatorAccess } from './operator-access.ts';

export interface FailoverRoutesDependencies {
  readonly master: MasterName;
  readonly access: OperatorAccess;
  readonly directory: Directory;
  readonly subsets: SubsetKeeper;
  readonly hub: SessionHub;
  readonly certificates: MemberCertificates;
  /** The directory's. */
  readonly store: Store;
  readonly clock: Clock;
}

/** Routes an endpoint to what answers it. */
export type Serve = <E extends EndpointDefinition>(
  endpoint: E,
  handler: EndpointHandler<E, KnownCaller>,
) => void;

/** What is about masters changing places: operators' questions, and those of the other masters. */
export function addFailoverRoutes(serve: Serve, dependencies: FailoverRoutesDependencies): void {
  const { subsets } = dependencies;
  const drains = new DrainHandler(dependencies);
  serve(api.drainMaster, async ({ params, body }, { caller, signal }) => {
    const by = describeCaller(caller.identity);
    return drains.drain({ master: params.master, by, waitMs: body.waitMs }, signal);
  });
  serve(api.returnMaster, async ({ params }, { caller, signal }) =>
    drains.return({ master: params.master, by: describeCaller(caller.identity) }, signal),
  );
  serve(api.listFailovers, async ({ params, query }, { signal }) => {
    const store = subsets.requireStore(params.subset);
    return { failovers: await readFailovers(params.subset, query.limit, store, signal) };
  });
  addBackupRoutes(serve, dependencies);
}

function addBackupRoutes(serve: Serve, dependencies: FailoverRoutesDependencies): void {
  const { access, directory } = dependencies;
  const backups = new BackupHandlers(dependencies);
  serve(api.handOver, async ({ params, body }, { caller }) => {
    const name = access.requireServing(caller, params.subset, directory);
    await backups.handOver(params, body, name);
    return {};
  });
  serve(api.getReadiness, async ({ params }, { caller }) => {
    access.requireServing(caller, params.subset, directory);
    return backups.readiness(params);
  });
  serve(api.renewForBackup, async ({ params, body }, { caller }) => {
    access.requireServing(caller, params.subset, directory);
    return backups.renew(params, body.publicKey);
  });
  serve(api.leaveForBackup, async ({ params, body }, { caller }) => {
    access.requireServing(caller, params.subset, directory);
    await backups.leave(params, body.identityKey);
    return {};
  });
  serve(reportMove, async ({ params, body }, { caller }) => {
    access.requireServing(caller, params.subset, directory);
    await backups.reportMove(params, body);
    return {};
  });
  serve(api.acknowledgeForBackup, async ({ params, body }, { caller }) => {
    access.requireServing(caller, params.subset, directory);
    backups.acknowledge(params, body);
    return {};
  });
}
