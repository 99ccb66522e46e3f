/**
 * Makes a fresh clone ready: Node checked, Debian packages, npm packages, builds. Plain Node with no dependency, because it
 * runs before anything is installed. When nothing is missing it only looks at files and is done in well under 2 s.
 *
 *   node tools/bootstrap/main.mjs
 */
import { builds } from './builds.mjs';
import { debianPackages } from './debian-packages.mjs';
import { checkNode } from './node-version.mjs';
import { npmPackages } from './npm-packages.mjs';
import { BootstrapError } from './step.mjs';

const steps = [checkNode, debianPackages, npmPackages, builds];

try {
  for (const step of steps) await step();
} catch (error) {
  if (!(error instanceof BootstrapError)) throw error;
  process.stderr.write(`bootstrap: ${error.message}\n`);
  process.exitCode = 1;
}
