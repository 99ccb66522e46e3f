/**
 * Holds a directory for one process: a file with the process's id and start time. One that a dead process left is taken over, by
 * moving it away, which succeeds for one of several that try.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { controlPlaneErrors } from '../errors.js';

/** Releases the lock. */
export type Unlock = () => Promise<void>;

/** Errors: `database-directory-in-use`; what the file system answers. */
export async function lockFile(path: string): Promise<Unlock> {
  const mine = `${process.pid} ${startOf(process.pid)} ${randomUUID()}\n`;
  const draft = `${path}.${process.pid}.${randomUUID()}`;
  await writeFile(draft, mine, { mode: 0o600 });
  try {
    for (;;) {
      try {
        // Unlike a rename, this fails where there is one already.
        await link(draft, path);
        break;
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
      }
      await clearDead(path);
    }
  } finally {
    await unlink(draft).catch(() => undefined);
  }
  return async () => {
    if ((await readFile(path, 'utf8').catch(() => null)) === mine) await unlink(path);
  };
}

/** Returns once there is no lock of a dead process any more. */
async function clearDead(path: string): Promise<void> {
  const held = await readFile(path, 'utf8').catch(() => null);
  if (held === null) return;
  const [pid = '', start = ''] = held.trim().split(' ');
  if (startOf(Number(pid)) === start && start !== '') {
    throw controlPlaneErrors.error(
      'database-directory-in-use',
      `Process ${pid} has the embedded database open (${path}); stop it, give this one a directory of its own, or use PostgreSQL for several replicas.`,
    );
  }
  const aside = `${path}.dead.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw thrown;
  }
  // Another one may have taken the lock between the look and the move: then it is put back.
  if ((await readFile(aside, 'utf8')) !== held) await link(aside, path).catch(() => undefined);
  await unlink(aside);
}

/** Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat); empty where there is no such process. */
function startOf(pid: number): string {
  if (!Number.isInteger(pid) || pid <= 0) return '';
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name, in parentheses, and may have blanks in it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
