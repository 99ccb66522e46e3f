/**
 * The state directory: everything an agent must find again after its own restart.
 *
 * ```
 * agent.lock                     held while the agent runs
 * host.json                      {"hostId"}
 * journal/ownership.log          who may run what; see ../journal. Bound to the host: another's is refused
 * instances/<id>/instance.json   spec, VMM record, epoch, generation, life
 * instances/<id>/serial.log      console log, written by the VMM
 * migrations/<id>.json           the view with its report, kept for good
 * migrations/<id>.serial.log     console log of an instance that left with that migration
 * vmms/<id>.json                 last state of a VMM that ended, until a control plane has it
 * ```
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { native } from '@drover/native';
import { z } from 'zod';
import { hostAgentErrors } from '../errors.js';
import { writeFileAtomic } from './atomic-file.js';

const hostDocument = z.strictObject({ hostId: z.uuid() });

export class StateDirectory {
  readonly path: string;
  readonly hostId: string;
  readonly #lock: FileHandle;

  private constructor(path: string, hostId: string, lock: FileHandle) {
    this.path = path;
    this.hostId = hostId;
    this.#lock = lock;
  }

  /** Makes the directory where needed and takes its lock. Errors: `state-directory-in-use`, `state-directory-unusable`. */
  static async open(path: string): Promise<StateDirectory> {
    let lock: FileHandle | undefined;
    try {
      for (const part of ['', 'journal', 'instances', 'migrations', 'vmms']) {
        await mkdir(join(path, part), { recursive: true, mode: 0o700 });
      }
      lock = await open(join(path, 'agent.lock'), 'a', 0o600);
      if (!native().tryLock(lock.fd)) {
        throw hostAgentErrors.error(
          'state-directory-in-use',
          `Another agent runs on the state directory ${path}; stop it, or give this one a directory of its own.`,
        );
      }
      return new StateDirectory(path, await readHostId(path), lock);
    } catch (thrown) {
      await lock?.close();
      if (isSystemError(thrown)) {
        throw hostAgentErrors.error(
          'state-directory-unusable',
          `The state directory ${path} cannot be used (${thrown.message}); make it a directory that this user may write.`,
          thrown,
        );
      }
      throw thrown;
    }
  }

  get journalFile(): string {
    return join(this.path, 'journal', 'ownership.log');
  }

  get instances(): string {
    return join(this.path, 'instances');
  }

  get migrations(): string {
    return join(this.path, 'migrations');
  }

  get vmms(): string {
    return join(this.path, 'vmms');
  }

  /** Whether an instance was ever recorded here and not removed again. */
  async hasInstances(): Promise<boolean> {
    return (await readdir(this.instances)).length > 0;
  }

  /** Gives up the lock. */
  async close(): Promise<void> {
    await this.#lock.close();
  }
}

/** Reads the host's id, or makes one at the first start. */
async function readHostId(path: string): Promise<string> {
  const file = join(path, 'host.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (thrown) {
    if (!isSystemError(thrown) || thrown.code !== 'ENOENT') throw thrown;
    const hostId = randomUUID();
    await writeFileAtomic(file, `${JSON.stringify({ hostId })}\n`);
    return hostId;
  }
  try {
    return hostDocument.parse(JSON.parse(text)).hostId;
  } catch (thrown) {
    throw hostAgentErrors.error(
      'state-directory-unusable',
      `${file} does not hold a host id; restore it, or remove it to give this host a new identity.`,
      thrown,
    );
  }
}

export function isSystemError(thrown: unknown): thrown is NodeJS.ErrnoException {
  return thrown instanceof Error && 'syscall' in thrown && 'code' in thrown;
}
