import { readdirSync, readFileSync } from 'node:fs';

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
 * @returns {Footprint}
 */
export function footprint(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  /** @param {string} name */
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN);
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: field('Threads'),
    residentKiB: field('RssAnon') + field('RssFile'),
  };
}
