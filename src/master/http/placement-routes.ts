import {
  getPlacementPolicy,
  removePlacementPolicy,
  setPlacementPolicy,
} from '../../api/placement-endpoints.ts';
import type { Serve } from './failover-routes.ts';
import {
  PlacementPolicyHandlers,
  type PlacementPolicyHandlersDependencies,
} from './handlers/placement-policy-handlers.ts';
import { describeCaller } from './operator-access.ts';

/** What operators ask about placement. */
export function addPlacementRoutes(
  serve: Serve,
  dependencies: PlacementPolicyHandlersDependencies,
): void {
  const policies = new PlacementPolicyHandlers(dependencies);
  serve(getPlacementPolicy, (_request, { signal }) => policies.show(signal));
  serve(setPlacementPolicy, ({ query, body }, { caller, signal }) =>
    policies.set(body.text, { ...query, by: describeCaller(caller.identity) }, signal),
  );
  serve(removePlacementPolicy, async ({ query }, { caller, signal }) => {
    await policies.remove({ ...query, by: describeCaller(caller.identity) }, signal);
    return {};
  });
}
