import { parseArgs } from 'node:util';
import { parseDuration, parseSize } from '@drover/types';
import { wholeNumber } from '../settings.mjs';

/**
 * @typedef {object} MachineSettings
 * @property {number} hops Of each build.
 * @property {number} memoryMiB
 * @property {number} pages Working set, in pages of 4 KiB.
 * @property {number | 'max'} rate Page writes a second.
 * @property {number} beatMicros
 * @property {number} checkEvery The guest reads its whole working set after each hop whose number this divides.
 * @property {readonly string[]} against Other checkouts, moved beside this one.
 * @property {boolean} json
 */

const MIB = 1024 * 1024;
const PAGE_BYTES = 4096;

const usage = `Measures moves of a guest straight on /dev/kvm, there and back between two agents: downtime and its parts, and what is left behind.

  npm run bench -- --vmm machine [options]

  --hops N              moves in a row (20); from some 20 on the slopes of descriptors, threads and memory mean something
  --memory SIZE         memory of the guest (256MiB)
  --working-set SIZE    memory that the guest fills and writes (64MiB)
  --rate N|max          pages that it writes a second (max)
  --beat TIME           how often it beats (1ms); a finer beat sees downtime more exactly
  --check-every N       have the guest read its whole working set after every Nth hop (1)
  --against DIR         another checkout, built, whose moves alternate with this one's; may be given more than once
  --json                one JSON document as the last line
`;

/**
 * Reads the command line; null where it asked for help. Throws with a sentence where it is wrong.
 *
 * @param {readonly string[]} args
 * @returns {MachineSettings | null}
 */
export function readMachineSettings(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      vmm: { type: 'string' },
      hops: { type: 'string', default: '20' },
      memory: { type: 'string', default: '256MiB' },
      'working-set': { type: 'string', default: '64MiB' },
      rate: { type: 'string', default: 'max' },
      beat: { type: 'string', default: '1ms' },
      'check-every': { type: 'string', default: '1' },
      against: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return null;
  }
  return {
    hops: wholeNumber('hops', values.hops, 1, 100_000),
    memoryMiB: Math.round(parseSize(values.memory) / MIB),
    pages: Math.round(parseSize(values['working-set']) / PAGE_BYTES),
    rate: values.rate === 'max' ? 'max' : wholeNumber('rate', values.rate, 0, 10_000_000),
    beatMicros: Math.round(parseDuration(values.beat) * 1000),
    checkEvery: wholeNumber('check-every', values['check-every'], 1, 100_000),
    against: values.against,
    json: values.json,
  };
}
