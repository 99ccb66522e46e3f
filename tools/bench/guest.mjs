import { buildGuests, LINUX_CMDLINE } from '../guest/build.mjs';

/** @import { Settings } from './settings.mjs' */

/**
 * The one guest that every method moves, as far as they share it.
 *
 * @typedef {object} BenchGuest
 * @property {string} kernel
 * @property {string} initrd
 * @property {string} cmdline
 * @property {number} memoryMiB
 */

/**
 * @param {Settings} settings
 * @param {'loaded' | 'idle'} series
 * @param {(line: string) => void} log
 * @returns {Promise<BenchGuest>}
 */
export async function benchGuest({ memoryMiB, pages, rate }, series, log) {
  const { linuxKernel, linuxInitrd } = await buildGuests({ log });
  const words = `pages=${pages} rate=${series === 'idle' ? 0 : rate} pattern=random`;
  return { kernel: linuxKernel, initrd: linuxInitrd, cmdline: `${LINUX_CMDLINE} ${words}`, memoryMiB };
}
