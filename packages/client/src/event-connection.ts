/** Follows a stream of events, and comes back to it when the connection is lost. */
import { ApiError, clientErrors } from './errors.js';
import { readEvents, type ServerEvent } from './event-stream.js';
import { pause } from './pause.js';
import type { Transport } from './transport.js';

export interface WatchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Silence after which the connection counts as lost, ms; default 30,000 (services give a sign of life every 10 s). */
  readonly silenceMs?: number | undefined;
  /** How long to try to come back before giving up, ms; default 60,000. */
  readonly giveUpMs?: number | undefined;
}

/** What is followed. */
export interface EventSource {
  /** With its query. */
  readonly path: string;
  /** For the sentence when the service is lost: "migration … was watched; it goes on without a watcher". */
  readonly ifLost: string;
  /** Id of the last event that the caller has; empty for none. */
  readonly lastEventId?: string;
}

/** An event, and the version of the API that it is written in. */
export interface VersionedEvent<Version extends string> extends ServerEvent {
  readonly version: Version;
}

/** Wait before the first try to come back, doubled each time up to the second, ms. */
const BACKOFF_MS = [100, 3_000] as const;

/**
 * Yields every event from the first or from after `lastEventId` on, without an end of its own: leave the loop at the last one. Events are
 * not repeated after a lost connection. Errors: {@link ApiError}, `agent-unreachable` or `control-plane-unreachable` after `giveUpMs`,
 * the same with `-response-invalid`; what `signal` was aborted with.
 */
export async function* followEvents<Version extends string>(
  transport: Transport<Version>,
  { path, ifLost, lastEventId = '' }: EventSource,
  { signal, silenceMs = 30_000, giveUpMs = 60_000 }: WatchOptions,
): AsyncGenerator<VersionedEvent<Version>, void, undefined> {
  let lastId = lastEventId;
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
      for await (const event of readEvents(response.body, alive)) {
        lastId = event.id;
        yield { ...event, version };
      }
    } catch (thrown) {
      signal?.throwIfAborted();
      if (!mayComeBack(transport, thrown)) throw thrown;
      if (Date.now() - lastContact > giveUpMs) {
        const { code, title } = transport.service;
        throw clientErrors.error(
          `${code}-unreachable`,
          `The ${title} at ${transport.url} was lost while ${ifLost}.`,
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

/** A lost connection, or a service that is being restarted; not a refusal. */
function mayComeBack(transport: Transport<string>, thrown: unknown): boolean {
  if (thrown instanceof ApiError) return thrown.retryable;
  return !transport.isInvalid(thrown);
}
