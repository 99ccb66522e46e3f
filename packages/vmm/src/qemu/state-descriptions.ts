/**
 * What a QEMU says of the states that it saves and loads: `-dump-vmstate`, which describes every device class that it has. One
 * run takes some 40 ms and gives about 1 MB.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { vmmErrors } from '../errors.js';

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 16 * 1024 * 1024;

const run = promisify(execFile);

/** A state is saved in version `writes`, and loaded in versions from `readsFrom` to `writes`. */
export interface StateDescription {
  readonly readsFrom: number;
  readonly writes: number;
}

/** By the name that the state has in QEMU's stream, e.g. `virtio-blk`. */
export type StateDescriptions = ReadonlyMap<string, StateDescription>;

const version = z.int().min(0);
const dumpSchema = z.record(
  z.string(),
  z.looseObject({
    Description: z
      .looseObject({ name: z.string(), version_id: version, minimum_version_id: version })
      .optional(),
  }),
);

/** Asks each build of QEMU once. */
export class StateDescriptionCache {
  readonly #known = new Map<string, Promise<StateDescriptions>>();

  /** `program`: a path; `/proc/PID/exe` for the very build that a process runs. Rejects with `device-states-unknown`. */
  async of(program: string): Promise<StateDescriptions> {
    const build = await stat(program, { bigint: true }).catch((cause: unknown) => {
      throw unknown(program, cause);
    });
    const key = `${build.dev} ${build.ino} ${build.size} ${build.mtimeNs}`;
    const known = this.#known.get(key);
    if (known) return known;
    const asked = describeStates(program);
    this.#known.set(key, asked);
    asked.catch(() => this.#known.delete(key));
    return asked;
  }
}

async function describeStates(program: string): Promise<StateDescriptions> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-vmstate-'));
  try {
    const file = join(directory, 'dump.json');
    const machine = ['-machine', 'none', '-nodefaults', '-no-user-config', '-display', 'none'];
    await run(program, [...machine, '-dump-vmstate', file], { timeout: TIMEOUT_MS, killSignal: 'SIGKILL' });
    const { size } = await stat(file);
    if (size > MAX_BYTES) throw new Error(`its description has ${size} bytes; ${MAX_BYTES} are read`);
    return parseStateDescriptions(await readFile(file, 'utf8'));
  } catch (cause) {
    throw unknown(program, cause);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Throws where the text is not what QEMU writes. */
export function parseStateDescriptions(text: string): StateDescriptions {
  const states = new Map<string, StateDescription>();
  for (const { Description } of Object.values(dumpSchema.parse(JSON.parse(text)))) {
    if (Description === undefined) continue;
    const { name, version_id: writes, minimum_version_id: readsFrom } = Description;
    const other = states.get(name);
    // Several classes may share a state, as a device and the variant of it in the kernel do: what all of them read counts.
    const both = Math.min(writes, other?.writes ?? writes);
    states.set(name, {
      readsFrom: Math.min(both, Math.max(readsFrom, other?.readsFrom ?? 0)),
      writes: both,
    });
  }
  return states;
}

function unknown(program: string, cause: unknown): Error {
  const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
  return vmmErrors.error(
    'device-states-unknown',
    `QEMU (${program}) does not tell which device states it can save and load: ${why}. Its guests cannot be moved; use another build of QEMU.`,
    cause,
  );
}
