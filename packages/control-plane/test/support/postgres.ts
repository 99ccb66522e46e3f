/** A PostgreSQL of the test run's own: a cluster in a temporary directory, on a free port of the loopback. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BIN = '/usr/lib/postgresql/15/bin';

export interface Cluster {
  /** Of the database `postgres`, which is there to make others. */
  readonly url: string;
  stop(): void;
}

/** Why there is none here; null where there can be one. */
export function whyNoPostgres(): string | null {
  if (!existsSync(join(BIN, 'initdb'))) return `PostgreSQL 15 is not installed (${BIN})`;
  if (process.getuid?.() !== 0) return null;
  if (spawnSync('id', ['postgres']).status !== 0)
    return 'PostgreSQL refuses to run as root, and there is no user postgres';
  if (spawnSync('setpriv', ['--version']).status !== 0)
    return 'PostgreSQL refuses to run as root, and there is no setpriv';
  return null;
}

export async function startCluster(): Promise<Cluster> {
  const root = mkdtempSync(join(tmpdir(), 'drover-postgres-'));
  const data = join(root, 'data');
  const port = await freePort();
  asServer(root, 'chown');
  chmodSync(root, 0o700);
  asServer(
    root,
    'run',
    join(BIN, 'initdb'),
    '-D',
    data,
    '-U',
    'postgres',
    '--auth=trust',
    '-E',
    'UTF8',
    '--no-sync',
    '--no-instructions',
  );
  const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=200`;
  const log = join(root, 'log');
  asServer(
    root,
    'run',
    join(BIN, 'pg_ctl'),
    '-D',
    data,
    '-o',
    settings,
    '-l',
    log,
    '-w',
    '-t',
    '60',
    'start',
  );
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    stop() {
      asServer(root, 'run', join(BIN, 'pg_ctl'), '-D', data, '-m', 'immediate', '-w', 'stop');
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** PostgreSQL does not run as root: there it is the user postgres who does. */
function asServer(root: string, what: 'chown' | 'run', ...command: string[]): void {
  const isRoot = process.getuid?.() === 0;
  if (what === 'chown') {
    if (isRoot) execFileSync('chown', ['postgres', root]);
    return;
  }
  const [program = '', ...args] = isRoot
    ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', ...command]
    : command;
  // Its own output goes to the log; a pipe would be held open by the server that pg_ctl leaves behind.
  execFileSync(program, args, { cwd: root, stdio: 'ignore' });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
