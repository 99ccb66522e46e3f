/** Before the first test: a PostgreSQL for all of them, and an embedded database that each can copy instead of making its own. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PGlite } from '@electric-sql/pglite';
import type { TestProject } from 'vitest/node';
import { type Cluster, startCluster, whyNoPostgres } from './postgres.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** Null where there is none; then `noPostgres` says why. */
    postgresUrl: string | null;
    noPostgres: string | null;
    /** A data directory of PGlite as initdb left it. */
    pgliteTemplate: string;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const noPostgres = whyNoPostgres();
  const [cluster, template] = await Promise.all([
    noPostgres === null ? startCluster() : null,
    pgliteTemplate(),
  ]);
  project.provide('postgresUrl', cluster?.url ?? null);
  project.provide('noPostgres', noPostgres);
  project.provide('pgliteTemplate', template);
  return () => (cluster as Cluster | null)?.stop();
}

/** Kept over runs, for one release of PGlite: making it takes seconds. */
async function pgliteTemplate(): Promise<string> {
  const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  const version: string = manifest.dependencies['@electric-sql/pglite'];
  const cache = join(packageRoot, '.drover');
  const template = join(cache, `pglite-${version}`);
  if (existsSync(template)) return template;
  mkdirSync(cache, { recursive: true });
  const draft = `${template}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  await (await PGlite.create(draft)).close();
  renameSync(draft, template);
  return template;
}
