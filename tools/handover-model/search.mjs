/** Makes the tables, has spin write the verifier, compiles it and lets it search everything that the bounds leave. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { promelaTables } from './tables.mjs';

const run = promisify(execFile);

/** What bounds the search: attempts to move, agents killed, hosts lost for good. Messages lost, late, double or out of order are not bounded. */
export const BOUNDS = { MIGRATIONS: 2, CRASHES: 2, LOST: 1 };
/** Memory of one search, MiB; it takes about 250. */
const MEMORY_MIB = 3000;
/** Longest path, steps; the search says when it is cut short. */
const DEPTH = 400_000;
/** Trail steps that are told. */
const TOLD = 40;

/**
 * `violated` is null where nothing is wrong; otherwise the assertion, and `trail` the end of the way to it.
 * @typedef {{ states: number, transitions: number, depth: number, violated: string | null, trail: string[], seconds: number }} Search
 * @param {number} mutation of `mutations.mjs`; 0 for none @param {Partial<typeof BOUNDS>} [bounds] @returns {Promise<Search>}
 */
export async function searchModel(mutation, bounds = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'drover-model-'));
  try {
    await writeFile(join(directory, 'tables.pml'), promelaTables());
    const model = join(directory, 'handover.pml');
    await copyFile(fileURLToPath(new URL('handover.pml', import.meta.url)), model);
    const defines = Object.entries({ ...BOUNDS, ...bounds, MUTATION: mutation }).map(
      ([name, value]) => `-D${name}=${value}`,
    );
    await run('spin', [...defines, '-a', model], { cwd: directory });
    // A broken rule is found at once, and compiling is what takes the time then.
    const flags = [
      mutation === 0 ? '-O1' : '-O0',
      '-w',
      '-DCOLLAPSE',
      '-DNOREDUCE',
      `-DMEMLIM=${MEMORY_MIB}`,
    ];
    await run('gcc', [...flags, '-o', 'pan', 'pan.c'], { cwd: directory });
    const began = performance.now();
    const output = await outputOf(join(directory, 'pan'), ['-a', `-m${DEPTH}`], directory);
    const seconds = (performance.now() - began) / 1000;
    const found = (/** @type {RegExp} */ pattern) => pattern.exec(output)?.[1] ?? null;
    const errors = found(/errors: (\d+)/);
    if (errors === null || /out of memory|max search depth too small|hash.*full/.test(output)) {
      throw new Error(`the search did not come to its end:\n${output}`);
    }
    const violated =
      errors === '0' ? null : (found(/pan:\d+: (.*) \(at depth/) ?? 'the search was broken off');
    return {
      states: Number(found(/(\d+) states, stored/)),
      transitions: Number(found(/(\d+) transitions/)),
      depth: Number(found(/depth reached (\d+)/)),
      violated,
      trail: violated === null ? [] : await trailOf(directory, defines),
      seconds,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The verifier ends with an error of its own when it found one, so its status says nothing. @param {string} program @param {string[]} args @param {string} cwd */
async function outputOf(program, args, cwd) {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => {
      output += bytes;
    });
  }
  await once(child, 'close');
  return output;
}

/** @param {string} directory @param {string[]} defines */
async function trailOf(directory, defines) {
  const { stdout } = await run('spin', [...defines, '-t', '-p', 'handover.pml'], {
    cwd: directory,
    maxBuffer: 64 << 20,
  });
  return stdout
    .split('\n')
    .flatMap((line) => /handover\.pml:(\d+) .*\[(.*)\]$/.exec(line)?.slice(1, 3).join(': ') ?? [])
    .filter((step) => !/else|k = |k<|goto|break/.test(step))
    .slice(-TOLD)
    .map((step) => step.slice(0, 160));
}
