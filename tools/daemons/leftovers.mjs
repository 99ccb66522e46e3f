import { readdir, readFile } from 'node:fs/promises';

/**
 * Ends, by process id, every process whose command line names a path below `directory`: VMMs that outlived their agents, as they
 * are meant to. The directory is this program's own and has a name that nothing else has.
 *
 * @param {string} directory
 * @returns {Promise<number[]>} the ids
 */
export async function endProcessesBelow(directory) {
  const ended = [];
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (!commandLine.includes(`${directory}/`)) continue;
    try {
      process.kill(pid, 'SIGKILL');
      ended.push(pid);
    } catch {
      // It ended by itself in between.
    }
  }
  return ended;
}
