import type { Logger } from 'pino';
import { hostAgentErrors } from '../errors.js';
import type { Contest } from '../migrations/abort-notices.js';
import type { InstanceRegistry } from './registry.js';

/**
 * Shows that two hosts own an instance, which only an operator's word can have brought about: in the log each time it is found, and with the instance
 * for as long as that is so.
 */
export async function showContest(
  { migrationId, instanceId, epoch, peer }: Contest,
  registry: InstanceRegistry,
  logger: Logger,
): Promise<void> {
  const instance = registry.get(instanceId);
  const { code, message } = hostAgentErrors
    .error(
      'instance-owned-twice',
      `Instance ${instance?.name ?? instanceId} is owned by this host under epoch ${epoch.ours} and by ${peer} under epoch ${epoch.theirs}: that host had been declared lost and is back. Stop the instance at the one with the lower epoch at once, then delete it there.`,
    )
    .toBody();
  logger.error({ migration: migrationId, instance: instanceId, peer, code }, message);
  if (instance === undefined || instance.operation !== null || instance.snapshot.error?.code === code) return;
  await instance.publish({ error: { code, message } });
}
