import * as audit from '../../src/api/audit-endpoints.ts';
import * as directory from '../../src/api/directory-endpoints.ts';
import type { EndpointDefinition } from '../../src/api/endpoint-definition.ts';
import * as failover from '../../src/api/failover-endpoints.ts';
import * as invite from '../../src/api/invite-endpoints.ts';
import * as key from '../../src/api/key-endpoints.ts';
import * as member from '../../src/api/member-endpoints.ts';
import * as move from '../../src/api/move-endpoints.ts';
import * as operator from '../../src/api/operator-endpoints.ts';
import * as path from '../../src/api/path-endpoints.ts';
import * as placement from '../../src/api/placement-endpoints.ts';
import * as placing from '../../src/api/placing-endpoints.ts';
import * as status from '../../src/api/status-endpoints.ts';

/** All that a master answers. */
export const everyEndpoint = Object.values({
  ...audit,
  ...directory,
  ...failover,
  ...invite,
  ...key,
  ...member,
  ...move,
  ...operator,
  ...path,
  ...placement,
  ...placing,
  ...status,
}).filter(
  (value): value is EndpointDefinition & typeof value => 'summary' in value,
) as readonly EndpointDefinition[];
