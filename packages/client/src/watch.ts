import { type AgentApiVersion, agentPath, type MigrationEvent } from '@drover/protocol/agent';
import { followEvents, type WatchOptions } from './event-connection.js';
import type { Transport } from './transport.js';
import { readEvent } from './ways.js';
import { whatIsWrong } from './what-is-wrong.js';

/**
 * Follows a migration on an agent: yields every event from the first on, and returns after `ended`. Errors: as {@link followEvents},
 * `migration-not-found` …
 */
export async function* watchMigration(
  transport: Transport<AgentApiVersion>,
  id: string,
  options: WatchOptions = {},
): AsyncGenerator<MigrationEvent, void, undefined> {
  const path = agentPath('watchMigration', { migration: id });
  const ifLost = `migration ${id} was watched; the migration goes on without a watcher`;
  for await (const { version, data } of followEvents(transport, { path, ifLost }, options)) {
    const event = parseEvent(transport, version, data);
    yield event;
    if (event.kind === 'ended') return;
  }
}

function parseEvent(
  transport: Transport<AgentApiVersion>,
  version: AgentApiVersion,
  data: string,
): MigrationEvent {
  try {
    return readEvent(version, JSON.parse(data));
  } catch (cause) {
    throw transport.invalid(`an event of the stream ${whatIsWrong(cause)}`, cause);
  }
}
