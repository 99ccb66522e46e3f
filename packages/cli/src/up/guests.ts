import type { AgentClient } from '@drover/client';

/** Ends every guest of a host, by force, and says how many there were. */
export async function stopGuests(client: AgentClient): Promise<number> {
  const instances = await client.listInstances();
  const living = instances.filter(({ state }) => state.pid !== null);
  await Promise.all(living.map(({ id }) => client.stopInstance(id, { force: true })));
  return living.length;
}
