/**
 * A testing aid: holds a migration at one of its steps until a fault was made there. `DROVER_TEST_HOLDS` names a directory; where it has a file
 * `<role>.<step>`, that step renames it to `<role>.<step>.held` and waits until it is gone. Each file holds once. Without the variable nothing looks.
 */
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DestinationStep } from '@drover/destination-agent';
import type { SourceStep } from '@drover/source-agent';

/** How often a held step looks, ms. */
const LOOK_MS = 5;

export interface Holds {
  readonly source: (step: SourceStep) => Promise<void>;
  readonly destination: (step: DestinationStep) => Promise<void>;
}

export function holdsIn(directory: string): Holds {
  const hold = async (name: string): Promise<void> => {
    const held = join(directory, `${name}.held`);
    try {
      renameSync(join(directory, name), held);
    } catch {
      // Nobody asked for this step.
      return;
    }
    while (existsSync(held)) await sleep(LOOK_MS);
  };
  return {
    source: (step) => hold(`source.${step}`),
    destination: (step) => hold(`destination.${step}`),
  };
}
