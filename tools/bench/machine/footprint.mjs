import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * What a process holds of its host.
 *
 * @typedef {object} Footprint
 * @property {number} descriptors
 * @property {number} threads
 * @property {number} residentKiB Its own memory: without what it maps of guests.
 */

/**
 * Throws where there is no such process.
 *
 * @param {number} pid
 * @param {string} [url] Where it serves HTTP: connections to it are held by whoever asks it, and are not counted.
 * @returns {Footprint}
 */
export function footprint(pid, url) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  /** @param {string} name */
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN);
  const served = url === undefined ? new Set() : connectionsTo(pid, Number(new URL(url).port));
  return {
    descriptors: descriptorsOf(pid).filter((target) => !served.has(target)).length,
    threads: field('Threads'),
    residentKiB: field('RssAnon') + field('RssFile'),
  };
}

/**
 * @param {number} pid
 * @returns {string[]} What each is, as /proc says it.
 */
function descriptorsOf(pid) {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      // It was closed in between.
      return [];
    }
  });
}

/**
 * Established connections whose end in the network of this process is that port (proc_net_tcp(5)).
 *
 * @param {number} pid
 * @param {number} port
 * @returns {Set<string>} As {@link descriptorsOf} names them.
 */
function connectionsTo(pid, port) {
  const established = '01';
  const lines = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').trim().split('\n').slice(1);
  return new Set(
    lines.flatMap((line) => {
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
      const here = Number.parseInt(local.split(':')[1] ?? '', 16);
      return here === port && state === established ? [`socket:[${inode}]`] : [];
    }),
  );
}
