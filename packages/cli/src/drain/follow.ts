import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlPlaneClient } from '@drover/client';
import type { DrainView } from '@drover/protocol';
import type { CommandContext } from '../context.js';
import { ExitCode } from '../exit-codes.js';
import type { DrainDisplay } from './display.js';

/** The drain is also read this often, ms: events before the stream was open are not seen, and a gap hides some. */
const READ_MS = 1_000;

/**
 * Shows a drain by the fleet's events until it has ended, and sets the exit code. Ctrl-C stops watching and changes nothing. Rejects where
 * the control plane refuses, or is lost.
 */
export async function followDrain(
  client: ControlPlaneClient,
  drain: DrainView,
  display: DrainDisplay,
  context: CommandContext,
): Promise<void> {
  const done = new AbortController();
  const release = context.onInterrupt(() => done.abort());
  let current = drain;
  const show = (next: DrainView) => {
    if (JSON.stringify(next) !== JSON.stringify(current)) display.drain(next);
    current = next;
  };
  display.drain(drain);
  // Without the events the drain is still read; they make it quick.
  watch(client, drain.id, display, show, done.signal).then(
    () => done.abort(),
    () => undefined,
  );
  try {
    while (current.state === 'running') {
      await sleep(READ_MS, undefined, { signal: done.signal }).catch(() => undefined);
      if (done.signal.aborted) break;
      show(await client.getDrain(drain.id, { signal: done.signal }));
    }
  } catch (thrown) {
    if (!done.signal.aborted) throw thrown;
  } finally {
    done.abort();
    release();
    display.close();
  }
  conclude(current, display, context);
}

/** Resolves once the drain has ended by the events. */
async function watch(
  client: ControlPlaneClient,
  id: string,
  display: DrainDisplay,
  show: (drain: DrainView) => void,
  signal: AbortSignal,
): Promise<void> {
  for await (const { event } of client.watchEvents({ kinds: ['drain', 'migration'], signal })) {
    if (event.kind === 'migration' && event.migration.drainId === id) display.migration(event.migration);
    if (event.kind !== 'drain' || event.drain.id !== id) continue;
    show(event.drain);
    if (event.drain.state !== 'running') return;
  }
}

function conclude(drain: DrainView, display: DrainDisplay, context: CommandContext): void {
  if (drain.state === 'running') {
    context.exitWith(ExitCode.inDoubt);
    context.stderr.write(
      `drover: stopped watching; the drain of ${drain.hostName} goes on, see "drover drain show ${drain.id} --watch"\n`,
    );
    return;
  }
  display.end(drain);
  context.exitWith(exitCodes[drain.state]);
}

const exitCodes = {
  completed: ExitCode.ok,
  'ended-with-remains': ExitCode.failed,
  cancelled: ExitCode.cancelled,
} as const;
