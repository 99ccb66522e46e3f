/** A short private directory for one test, removed after it: unix socket paths must fit in it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export function temporaryDirectory(): string {
  const path = mkdtempSync(join('/tmp', 'drv-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
