import { join } from 'node:path';
import { root } from './paths.js';

/** One build of Drover, from this checkout or from somewhere else. */
export interface Build {
  /** The `drover` command: a program and its first arguments. */
  readonly command: readonly string[];
}

export const thisCheckout: Build = {
  command: [process.execPath, join(root, 'packages', 'cli', 'bin', 'drover.mjs')],
};
