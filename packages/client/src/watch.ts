import {
  type AgentApiVersion,
  agentPath,
  eventFromV1,
  type MigrationEvent,
  migrationEvent,
  migrationEventV1,
} from '@drover/protocol/agent';
import { followEvents, type WatchOptions } from './event-connection.js';
import type { Transport } from './transport.js';

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
    const document: unknown = JSON.parse(data);
    return version === '1.0.0'
      ? eventFromV1(migrationEventV1.parse(document))
      : migrationEvent.parse(document);
  } catch (cause) {
    throw transport.invalid('an event of the stream is not one of the API', cause);
  }
}
