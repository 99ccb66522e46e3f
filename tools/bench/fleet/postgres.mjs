/** A PostgreSQL 15 of the bench's own: a cluster in a temporary directory, on a free port of the loopback. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BIN = '/usr/lib/postgresql/15/bin';

/**
 * With its durability on: what is measured is what an operator gets.
 *
 * @returns {Promise<{ url: string, stop(): void }>}
 */
export async function startPostgres() {
  if (!existsSync(join(BIN, 'initdb'))) throw new Error(`PostgreSQL 15 is not installed (${BIN})`);
  const root = mkdtempSync(join(tmpdir(), 'drover-fleet-'));
  const isRoot = process.getuid?.() === 0;
  // PostgreSQL does not run as root.
  if (isRoot) execFileSync('chown', ['postgres', root]);
  chmodSync(root, 0o700);
  const data = join(root, 'data');
  /** @param {string[]} command */
  const run = (...command) => {
    const as = isRoot ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] : [];
    const [program = '', ...args] = [...as, ...command];
    execFileSync(program, args, { cwd: root, stdio: 'ignore' });
  };
  const port = await freePort();
  run(join(BIN, 'initdb'), '-D', data, '-U', 'postgres', '--auth=trust', '-E', 'UTF8', '--no-sync');
  const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=100`;
  run(join(BIN, 'pg_ctl'), '-D', data, '-o', settings, '-l', join(root, 'log'), '-w', '-t', '60', 'start');
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    stop() {
      run(join(BIN, 'pg_ctl'), '-D', data, '-m', 'immediate', '-w', 'stop');
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** @returns {Promise<number>} */
async function freePort() {
  const server = createServer();
  await /** @type {Promise<void>} */ (new Promise((resolve) => server.listen(0, '127.0.0.1', resolve)));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
