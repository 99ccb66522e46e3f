/** @import { DrainedHost } from './drain-guests.mjs' */

/**
 * Everything that a drain must not do to a guest and did, a sentence each; none where all is well.
 *
 * @param {DrainedHost} drained
 * @returns {string[]}
 */
export function harm({ drain, guests, left }) {
  const found = [];
  if (drain.state !== 'completed') found.push(`The drain is ${drain.state}.`);
  for (const { instanceName, state, error } of drain.items) {
    if (state !== 'moved') found.push(`${instanceName} is ${state}: ${error?.message ?? 'no reason given'}`);
  }
  for (const guest of guests) {
    const { name, hosts, corruptPages, doubledBeats, missingBeats, boots, alive } = guest;
    if (hosts.length !== 1 || hosts.includes('a'))
      found.push(`${name} is on ${hosts.join(' and ') || 'no host'}.`);
    if (!alive) found.push(`${name} does not beat.`);
    if (corruptPages > 0) found.push(`${name} found ${corruptPages} pages of its memory wrong.`);
    if (doubledBeats > 0) found.push(`${name} beat ${doubledBeats} times twice.`);
    if (missingBeats > 0) found.push(`${missingBeats} beats of ${name} were not heard.`);
    if (boots !== 1) found.push(`${name} started again.`);
  }
  return [...found, ...left.map((one) => `Left behind: ${one}.`)];
}
