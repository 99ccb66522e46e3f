import { BootstrapError } from './step.mjs';

/** The window of `engines.node` in package.json: the newest majors of our libraries need 20.19 or 22.12. */
export function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
  if (!fits) {
    throw new BootstrapError(
      `Node ${process.versions.node} is too old; install Node 20.19 or later (20.x), or 22.12 or later.`,
    );
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new BootstrapError(
      `this release builds on Linux x86-64 only; this is ${process.platform} ${process.arch}.`,
    );
  }
}
