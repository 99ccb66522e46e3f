/** Follows a migration over its event stream, and comes back to it when the connection is lost. */
import {
  type AgentApiVersion,
  agentPath,
  eventFromV1,
  type MigrationEvent,
  migrationEvent,
  migrationEventV1,
} from '@drover/protocol/agent';
import { ApiError, clientErrors } from './errors.js';
import { readEvents } from './event-stream.js';
import type { Transport } from './transport.js';

export interface WatchOptions {
  readonly signal?: AbortSignal;
  /** Silence after which the connection counts as lost, ms; default 30,000 (agents give a sign of life every 10 s). */
  readonly silenceMs?: number;
  /** How long to try to come back before giving up, ms; default 60,000. */
  readonly giveUpMs?: number;
}

/** Wait before the first try to come back, doubled each time up to the second, ms. */
const BACKOFF_MS = [100, 3_000] as const;

/**
 * Yields every event from the first on, and returns after `ended`. Events are not repeated after a lost connection. Errors:
 * {@link ApiError} (`migration-not-found` …), `agent-unreachable` after `giveUpMs`, `agent-response-invalid`; what `signal` was aborted with.
 */
export async function* watchMigration(
  transport: Transport,
  id: string,
  { signal, silenceMs = 30_000, giveUpMs = 60_000 }: WatchOptions = {},
): AsyncGenerator<MigrationEvent, void, undefined> {
  const path = agentPath('watchMigration', { migration: id });
  let lastId = '';
  let lastContact = Date.now();
  let wait: number = BACKOFF_MS[0];
  for (;;) {
    signal?.throwIfAborted();
    // Aborted by the caller, by silence, and when the caller leaves the loop.
    const connection = new AbortController();
    const abort = () => connection.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    let silence = setTimeout(() => connection.abort(), silenceMs);
    try {
      const { version, response } = await transport.inCommonVersion(
        async (asked) => ({
          version: asked,
          response: await transport.open({
            version: asked,
            method: 'GET',
            path,
            headers: lastId === '' ? {} : { 'last-event-id': lastId },
            signal: connection.signal,
          }),
        }),
        connection.signal,
      );
      if (!response.body) throw transport.invalid('the event stream has no body');
      const alive = () => {
        clearTimeout(silence);
        silence = setTimeout(() => connection.abort(), silenceMs);
        lastContact = Date.now();
        wait = BACKOFF_MS[0];
      };
      for await (const { id: eventId, data } of readEvents(response.body, alive)) {
        const event = parseEvent(transport, version, data);
        lastId = eventId;
        yield event;
        if (event.kind === 'ended') return;
      }
    } catch (thrown) {
      signal?.throwIfAborted();
      if (!mayComeBack(thrown)) throw thrown;
      if (Date.now() - lastContact > giveUpMs) {
        throw clientErrors.error(
          'agent-unreachable',
          `The agent at ${transport.url} was lost while migration ${id} was watched; the migration goes on without a watcher.`,
          thrown,
        );
      }
    } finally {
      clearTimeout(silence);
      signal?.removeEventListener('abort', abort);
      connection.abort();
    }
    await pause(wait, signal);
    wait = Math.min(wait * 2, BACKOFF_MS[1]);
  }
}

/** A lost connection, or an agent that is being restarted; not a refusal. */
function mayComeBack(thrown: unknown): boolean {
  if (thrown instanceof ApiError) return thrown.retryable;
  return !(thrown instanceof Error && 'code' in thrown && thrown.code === 'agent-response-invalid');
}

function parseEvent(transport: Transport, version: AgentApiVersion, data: string): MigrationEvent {
  try {
    const document: unknown = JSON.parse(data);
    return version === '1.0.0'
      ? eventFromV1(migrationEventV1.parse(document))
      : migrationEvent.parse(document);
  } catch (cause) {
    throw transport.invalid('an event of the stream is not one of the API', cause);
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
