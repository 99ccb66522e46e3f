import type { DrainView, FleetEvent, FleetMigration } from '@drover/protocol';
import type { CommandContext, Output } from '../context.js';
import { type DisplayClock, realClock } from '../progress/display.js';
import { LiveBlock } from '../progress/live-block.js';
import { describeChanges, describeCounts, renderDrain, renderDrainBlock } from './render.js';

/** Shows a drain as it goes. */
export interface DrainDisplay {
  drain(drain: DrainView): void;
  /** One of the drain's migrations. */
  migration(migration: FleetMigration): void;
  end(drain: DrainView): void;
  /** Leaves the terminal as it was. Safe to call twice. */
  close(): void;
}

/** The display that fits where the output goes. */
export function chooseDrainDisplay(
  { stdout }: CommandContext,
  drain: DrainView,
  json: boolean,
  clock: DisplayClock = realClock,
): DrainDisplay {
  if (json) return jsonDrainDisplay(stdout);
  return stdout.isTTY === true ? liveDrainDisplay(stdout, drain, clock) : lineDrainDisplay(stdout);
}

/** One event a line; the last line is the drain as it ended. */
export function jsonDrainDisplay(stdout: Output): DrainDisplay {
  const write = (document: Partial<FleetEvent> | DrainView) => stdout.write(`${JSON.stringify(document)}\n`);
  return {
    drain: (drain) => write({ kind: 'drain', drain }),
    migration: (migration) => write({ kind: 'migration', migration }),
    end: (drain) => write(drain),
    close: () => undefined,
  };
}

/** One line for each guest that begins to move, has moved, or stays. */
export function lineDrainDisplay(output: Output): DrainDisplay {
  let before: DrainView | null = null;
  return {
    drain(drain) {
      if (before === null) output.write(`Draining ${drain.hostName}: ${describeCounts(drain)}\n`);
      for (const line of describeChanges(before, drain)) output.write(`${line}\n`);
      before = drain;
    },
    migration: () => undefined,
    end: (drain) => output.write(renderEnd(drain)),
    close: () => undefined,
  };
}

/** A block that is drawn again in its place. */
export function liveDrainDisplay(output: Output, first: DrainView, clock: DisplayClock): DrainDisplay {
  let current = first;
  const migrations = new Map<string, FleetMigration>();
  const block = new LiveBlock(output, clock, (elapsedMs, width) =>
    renderDrainBlock(current, migrations, elapsedMs, width),
  );
  return {
    drain(drain) {
      current = drain;
      block.draw();
    },
    migration(migration) {
      migrations.set(migration.id, migration);
      block.draw();
    },
    end(drain) {
      current = drain;
      block.close();
      output.write(renderEnd(drain));
    },
    close: () => block.close(),
  };
}

/** Why a drain ended as it did, and where guests stayed which and why. */
function renderEnd(drain: DrainView): string {
  const { hostName, state } = drain;
  switch (state) {
    case 'completed':
      return `${hostName} is empty and takes no guests; "drover host undrain ${hostName}" lets it take some again.\n`;
    case 'ended-with-remains':
      return `Not everything could leave ${hostName}.\n\n${renderDrain(drain)}`;
    case 'cancelled':
      return `The drain of ${hostName} was cancelled: ${describeCounts(drain)}.\n`;
    case 'running':
      return `The drain of ${hostName} goes on: ${describeCounts(drain)}.\n`;
  }
}
