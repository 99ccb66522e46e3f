import { spawnSync } from 'node:child_process';
import { ReleaseError } from './release-error.mjs';

/**
 * Runs an unpacked release, away from any checkout: a package that was forgotten, or an addon of another build, is found here.
 * @param {string} top
 * @param {string} version
 */
export function tryRelease(top, version) {
  const loadAddon = ['--input-type=module', '--eval', "import { native } from '@drover/native'; native();"];
  const tries = [
    { args: ['bin/drover', 'version'], says: version },
    { args: ['bin/drover', 'agent', '--help'], says: 'Usage' },
    { args: loadAddon, says: '' },
  ];
  for (const { args, says } of tries) {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: top,
      encoding: 'utf8',
      timeout: 30_000,
    });
    if (status !== 0 || !stdout.includes(says)) {
      const error = /^\w*Error: .*$/m.exec(stderr)?.[0] ?? stderr.trim();
      throw new ReleaseError(`"node ${args.join(' ')}" fails in the release: ${error}`);
    }
  }
}
