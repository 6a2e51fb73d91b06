import { ClientError } from '../../../src/api/client/client-error.ts';
import type { OperatorClient } from '../../../src/api/client/operator-client.ts';
import { removeMember } from '../../../src/api/member-endpoints.ts';
import { parseMemberName, parseSubsetName } from '../../../src/model/names.ts';

/** Resolves when the eviction is durable, whoever has applied it. @throws as `OperatorClient.stream` */
export async function evictMember(
  operator: OperatorClient,
  { subset, name }: { readonly subset: string; readonly name: string },
): Promise<void> {
  const params = { subset: parseSubsetName(subset), name: parseMemberName(name) };
  const body = { kind: 'evict', waitMs: 0 } as const;
  for await (const progress of operator.stream(removeMember, { params, body })) {
    if (progress.type === 'removed') return;
  }
  throw new ClientError('the stream ended before the removal', {
    code: 'interrupted',
    retryable: true,
  });
}
