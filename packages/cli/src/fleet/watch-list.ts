import type { ControlPlaneClient } from '@drover/client';
import type { FleetEvent } from '@drover/protocol';
import { abortOnInterrupt, type CommandContext } from '../context.js';
import type { ListDisplay, Listed } from './list-display.js';

/** A list that is read again whenever something of these kinds happened. */
export interface WatchedList<Item extends Listed> {
  readonly kinds: readonly FleetEvent['kind'][];
  read(signal: AbortSignal): Promise<readonly Item[]>;
}

/** Between two reads, ms: many changes at once are read once. */
const PAUSE_MS = 1_000;
/** Without an event, ms: what changed between the first read and the opening of the stream is seen by then. */
const PERIOD_MS = 10_000;

/** Shows a list by the fleet's events until Ctrl-C, which is how it ends. Rejects where the control plane refuses, or is lost. */
export async function watchList<Item extends Listed>(
  client: ControlPlaneClient,
  { kinds, read }: WatchedList<Item>,
  display: ListDisplay<Item>,
  context: CommandContext,
): Promise<void> {
  const { signal: interrupted, release } = abortOnInterrupt(context);
  const ended = new AbortController();
  const signal = AbortSignal.any([interrupted, ended.signal]);
  let changed = false;
  let wake: () => void = () => undefined;
  const heed = async (): Promise<never> => {
    for await (const _ of client.watchEvents({ kinds, signal })) {
      changed = true;
      wake();
    }
    throw new Error('a stream of events has no end of its own');
  };
  const lost = heed();
  // Awaited below, but perhaps not before it fails.
  lost.catch(() => undefined);
  const wait = (ms: number, until: () => boolean) =>
    new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      wake = () => until() && done();
      if (signal.aborted) done();
      else wake();
    });
  try {
    for (;;) {
      changed = false;
      display.show(await read(signal));
      await Promise.race([lost, wait(PAUSE_MS, () => false)]);
      await Promise.race([lost, wait(PERIOD_MS - PAUSE_MS, () => changed)]);
      signal.throwIfAborted();
    }
  } catch (thrown) {
    if (!interrupted.aborted) throw thrown;
  } finally {
    ended.abort();
    release();
    display.close();
  }
}
