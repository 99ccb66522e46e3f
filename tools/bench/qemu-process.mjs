import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connectQmp } from '@drover/vmm';

/** @import { BenchGuest } from './guest.mjs' */

const START_TIMEOUT_MS = 20_000;
const COMMAND_TIMEOUT_MS = 30_000;
/** What QEMU said last on its standard error, for messages. */
const WORDS_MAX = 500;

/**
 * A QEMU of its own, started as Drover's driver starts it but for what only Drover needs, so that both move the same machine.
 *
 * @typedef {object} QemuProcess
 * @property {(command: string, args?: object) => Promise<unknown>} execute Runs a monitor command.
 * @property {string} consoleSocket
 * @property {() => Promise<void>} end
 */

/**
 * @param {BenchGuest} guest
 * @param {string} directory Made here, and removed when the process ends.
 * @param {boolean} incoming
 * @returns {Promise<QemuProcess>}
 */
export async function startQemu({ kernel, initrd, cmdline, memoryMiB }, directory, incoming) {
  await mkdir(directory, { recursive: true });
  const consoleSocket = join(directory, 'console.sock');
  const monitor = join(directory, 'qmp.sock');
  const child = spawn(
    'qemu-system-x86_64',
    [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'none'],
      ...['-accel', 'tcg,thread=multi', '-machine', 'q35,suppress-vmdesc=on', '-cpu', 'qemu64', '-smp', '1'],
      ...['-m', `${memoryMiB}M`, '-kernel', kernel, '-initrd', initrd, '-append', cmdline],
      ...['-chardev', `socket,id=com1,path=${consoleSocket},server=on,wait=off`, '-serial', 'chardev:com1'],
      ...['-qmp', `unix:${monitor},server=on,wait=off`],
      ...['-action', 'shutdown=pause,panic=pause'],
      ...(incoming ? ['-incoming', 'defer'] : []),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    words = (words + text).slice(-WORDS_MAX);
  });
  const gone = new AbortController();
  const ended = once(child, 'close').finally(() => gone.abort());
  ended.catch(() => {});
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended.catch(() => {});
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const qmp = await connectQmp({
      path: monitor,
      peer: `QEMU ${incoming ? 'destination' : 'source'}`,
      handshakeTimeoutMs: START_TIMEOUT_MS,
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      maxLineBytes: 1 << 20,
      lastWords: () => words.trim(),
      signal: gone.signal,
    });
    return {
      execute: (command, args) => qmp.execute(command, args),
      consoleSocket,
      async end() {
        qmp.close();
        await end();
      },
    };
  } catch (thrown) {
    await end();
    throw thrown;
  }
}
