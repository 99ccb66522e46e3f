/** What the installed QEMU is and can do: asked once over a monitor of its own, without a machine. */
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Duplex } from 'node:stream';
import { QMP_LINE_BYTES } from '@drover/protocol';
import { vmmErrors } from '../errors.js';
import { QmpClient } from '../qmp/client.js';
import {
  type QemuMachine,
  queryCpuModels,
  queryMachines,
  queryMigrationCapabilities,
} from '../qmp/commands.js';

export interface QemuFacts {
  /** Absolute path of the program. */
  readonly binary: string;
  readonly version: string;
  readonly machines: readonly QemuMachine[];
  readonly cpuModels: readonly string[];
}

/** Without these QEMU cannot take part in RAM mode `external`; all three are there since QEMU 4.0. */
const neededCapabilities = ['x-ignore-shared', 'events', 'late-block-activate'];
/** The first version on which the whole path was tried. */
const OLDEST = [7, 2] as const;
const INSTALL = 'Install it with "apt-get install qemu-system-x86"';
const TIMEOUT_MS = 10_000;

/** Asks again only when the program's file has changed. */
export class QemuProbe {
  readonly #name: string;
  #known: { readonly file: string; readonly facts: Promise<QemuFacts> } | null = null;

  /** `name`: a path, or a program looked for in PATH. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Rejects with `qemu-unusable`. */
  facts(): Promise<QemuFacts> {
    const binary = findProgram(this.#name);
    if (binary === null) {
      return Promise.reject(
        vmmErrors.error(
          'qemu-unusable',
          `QEMU is not there: no program ${this.#name} was found. ${INSTALL}.`,
        ),
      );
    }
    const { ino, size, mtimeMs } = statSync(binary);
    const file = `${binary} ${ino} ${size} ${mtimeMs}`;
    if (this.#known?.file === file) return this.#known.facts;
    const facts = inspect(binary);
    this.#known = { file, facts };
    facts.catch(() => {
      this.#known = null;
    });
    return facts;
  }
}

async function inspect(binary: string): Promise<QemuFacts> {
  const child = spawn(
    binary,
    ['-machine', 'none', '-nodefaults', '-no-user-config', '-display', 'none', '-qmp', 'stdio'],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString('utf8')).slice(-2000);
  });
  const started = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  child.on('error', () => {});
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  try {
    await started;
    const qmp = await QmpClient.open(Duplex.from({ readable: child.stdout, writable: child.stdin }), {
      peer: binary,
      handshakeTimeoutMs: TIMEOUT_MS,
      commandTimeoutMs: TIMEOUT_MS,
      maxLineBytes: QMP_LINE_BYTES,
      lastWords: () => words.trim(),
    });
    try {
      refuseOld(binary, qmp.version);
      const capabilities = await queryMigrationCapabilities(qmp);
      const missing = neededCapabilities.filter((name) => !capabilities.includes(name));
      if (missing.length > 0) {
        throw vmmErrors.error(
          'qemu-unusable',
          `${binary} (QEMU ${qmp.version}) has no migration capability ${missing.join(', ')}. Use another build of QEMU.`,
        );
      }
      return {
        binary,
        version: qmp.version,
        machines: await queryMachines(qmp),
        cpuModels: await queryCpuModels(qmp),
      };
    } finally {
      qmp.close();
    }
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'qemu-unusable') throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw vmmErrors.error(
      'qemu-unusable',
      `QEMU (${binary}) does not start: ${why} ${INSTALL} again.`,
      cause,
    );
  } finally {
    if (child.pid !== undefined) {
      child.kill('SIGKILL');
      await ended;
    }
  }
}

function refuseOld(binary: string, version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  throw vmmErrors.error(
    'qemu-unusable',
    `${binary} is QEMU ${version}; ${OLDEST.join('.')} or newer is needed. Install a newer one.`,
  );
}

/** Null when there is none that may be executed. */
function findProgram(name: string): string | null {
  const places = name.includes('/')
    ? [name]
    : (process.env.PATH ?? '').split(delimiter).map((directory) => join(directory, name));
  for (const path of places) {
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not here.
    }
  }
  return null;
}
