/** The event streams of a control plane. */
import {
  type FleetEvent,
  type FleetMigration,
  fleetEvent,
  type PublicApiVersion,
  publicPath,
} from '@drover/protocol/public';
import { followEvents, type WatchOptions } from './event-connection.js';
import type { Transport } from './transport.js';
import { whatIsWrong } from './what-is-wrong.js';

export interface WatchEventsOptions extends WatchOptions {
  /** Only these; default all. A `gap` comes whatever is picked. */
  readonly kinds?: readonly FleetEvent['kind'][] | undefined;
  /** Begins with what came after this one. */
  readonly lastEventId?: string | undefined;
}

/** An event of the fleet and its id, which `lastEventId` takes. */
export interface NumberedEvent {
  readonly id: string;
  readonly event: FleetEvent;
}

/** As {@link import('./control-plane-client.js').ControlPlaneClient.watchEvents}. */
export async function* watchFleetEvents(
  transport: Transport<PublicApiVersion>,
  { kinds, lastEventId, ...options }: WatchEventsOptions,
): AsyncGenerator<NumberedEvent, void, undefined> {
  const query = kinds === undefined ? '' : `?kinds=${encodeURIComponent(kinds.join(','))}`;
  const source = {
    path: `${publicPath('watchEvents', {})}${query}`,
    ifLost: 'its events were watched',
    ...(lastEventId === undefined ? {} : { lastEventId }),
  };
  for await (const { id, data } of followEvents(transport, source, options)) {
    yield { id, event: parseEvent(transport, data) };
  }
}

const ended: ReadonlySet<FleetMigration['state']> = new Set(['completed', 'failed', 'cancelled']);

/** True once nothing more comes of a migration. One that is in doubt has not ended. */
export function hasEnded({ state }: Pick<FleetMigration, 'state'>): boolean {
  return ended.has(state);
}

/** As {@link import('./control-plane-client.js').ControlPlaneClient.watchMigration}. `read` is asked where events were missed. */
export async function* watchFleetMigration(
  transport: Transport<PublicApiVersion>,
  id: string,
  read: () => Promise<FleetMigration>,
  options: WatchOptions,
): AsyncGenerator<FleetMigration, void, undefined> {
  const path = publicPath('watchMigration', { migration: id });
  const ifLost = `migration ${id} was watched; the migration goes on without a watcher`;
  for await (const { data } of followEvents(transport, { path, ifLost }, options)) {
    const event = parseEvent(transport, data);
    if (event.kind !== 'migration' && event.kind !== 'gap') continue;
    const migration = event.kind === 'gap' ? await read() : event.migration;
    yield migration;
    if (hasEnded(migration)) return;
  }
}

function parseEvent(transport: Transport<PublicApiVersion>, data: string): FleetEvent {
  try {
    return fleetEvent.parse(JSON.parse(data));
  } catch (cause) {
    throw transport.invalid(`an event of the stream ${whatIsWrong(cause)}`, cause);
  }
}
