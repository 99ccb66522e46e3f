import { parseArgs } from 'node:util';
import { parseDuration, parseSize } from '@drover/types';

/**
 * @typedef {object} Settings
 * @property {number} runs Of each method in each series.
 * @property {number} memoryMiB
 * @property {number} pages Working set, in pages of 4 KiB.
 * @property {number} rate Page writes a second in the loaded series.
 * @property {number} channels Connections that carry memory, where a method has a choice.
 * @property {number} maxDowntimeMs What Drover and QEMU are both told.
 * @property {readonly string[] | null} only Names of methods; null for all.
 * @property {readonly ('loaded' | 'idle')[]} series
 * @property {boolean} json
 */

const MIB = 1024 * 1024;
const PAGE_BYTES = 4096;

const usage = `Measures Drover beside QEMU's own migration on the same Linux guest under TCG.

  npm run bench [-- options]
  npm run bench -- --vmm machine [options]      moves on /dev/kvm instead; has options of its own

  --runs N              runs of each method in each series (5)
  --memory SIZE         memory of the guest (1GiB)
  --working-set SIZE    memory that the guest fills and writes (512MiB)
  --rate N              pages that it writes a second in the loaded series (20000)
  --channels N          connections of Drover and multifd (2)
  --max-downtime TIME   what Drover and QEMU are told (100ms)
  --only A,B            methods: drover, precopy, multifd, postcopy
  --series A,B          loaded (downtime), idle (bulk pass)
  --json                one JSON document as the last line
`;

/**
 * Reads the command line; null where it asked for help. Throws with a sentence where it is wrong.
 *
 * @param {readonly string[]} args
 * @returns {Settings | null}
 */
export function readSettings(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: 'string', default: '5' },
      memory: { type: 'string', default: '1GiB' },
      'working-set': { type: 'string', default: '512MiB' },
      rate: { type: 'string', default: '20000' },
      channels: { type: 'string', default: '2' },
      'max-downtime': { type: 'string', default: '100ms' },
      only: { type: 'string' },
      series: { type: 'string', default: 'idle,loaded' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return null;
  }
  return {
    runs: wholeNumber('runs', values.runs, 1, 1000),
    memoryMiB: Math.round(parseSize(values.memory) / MIB),
    pages: Math.round(parseSize(values['working-set']) / PAGE_BYTES),
    rate: wholeNumber('rate', values.rate, 0, 10_000_000),
    channels: wholeNumber('channels', values.channels, 1, 64),
    maxDowntimeMs: Math.max(1, Math.round(parseDuration(values['max-downtime']))),
    only: values.only === undefined ? null : names('only', values.only, METHOD_NAMES),
    series: names('series', values.series, SERIES_NAMES),
    json: values.json,
  };
}

export const METHOD_NAMES = /** @type {const} */ (['drover', 'precopy', 'multifd', 'postcopy']);
const SERIES_NAMES = /** @type {const} */ (['loaded', 'idle']);

/**
 * @template {string} Name
 * @param {string} option
 * @param {string} text
 * @param {readonly Name[]} known
 * @returns {Name[]}
 */
function names(option, text, known) {
  return text.split(',').map((name) => {
    const found = known.find((candidate) => candidate === name);
    if (found !== undefined) return found;
    throw new Error(`--${option} names "${name}"; it can name ${known.join(', ')}`);
  });
}

/**
 * The number that an option names. Throws with a sentence where it is none between `min` and `max`.
 *
 * @param {string} option
 * @param {string} text
 * @param {number} min
 * @param {number} max
 */
export function wholeNumber(option, text, min, max) {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Error(`--${option} is "${text}"; it must be a whole number between ${min} and ${max}`);
}
