import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, say } from './step.mjs';

/** Runs `npm ci` unless node_modules was made from this very lock file by this Node major. */
export function npmPackages() {
  const stamp = join(root, 'node_modules', '.drover-lock');
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(process.versions.modules)
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('installing npm packages');
  run('npm', ['ci', '--no-audit', '--no-fund'], { remedy: 'Check that the npm registry can be reached.' });
  writeFileSync(stamp, wanted);
}
