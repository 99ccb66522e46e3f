import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SHIM_SOCKET_VARIABLE } from '@drover/protocol';
import { afterEach, describe, expect, it } from 'vitest';

const repository = new URL('../../', import.meta.url);
const library = new URL(`native/prebuilds/linux-${process.arch}/libdrover-shim.so`, repository).pathname;
const vectors: readonly { name: string; hex: string }[] = JSON.parse(
  readFileSync(new URL('packages/protocol/vectors/shim.json', repository), 'utf8'),
);
const NOBODY = 65_534;

const children: ChildProcess[] = [];
const directories: string[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** The path where the shim of a process will listen; any program will do. */
function processWithShim(uid?: number): string {
  const directory = mkdtempSync(join(tmpdir(), 'shim-'));
  directories.push(directory);
  // Another user's process makes its socket here too, and may not be let into this checkout.
  chmodSync(directory, 0o777);
  const preload = join(directory, 'libdrover-shim.so');
  copyFileSync(library, preload);
  const path = join(directory, 'shim.sock');
  const environment = { LD_PRELOAD: preload, [SHIM_SOCKET_VARIABLE]: path };
  const identity = uid === undefined ? {} : { uid, gid: uid };
  children.push(spawn('/bin/sleep', ['60'], { env: environment, stdio: 'ignore', ...identity }));
  return path;
}

/** What comes until the shim closes, as hex; its descriptor is dropped. Waits for a shim that does not listen yet. */
async function answerOf(path: string): Promise<string> {
  for (let tries = 0; ; tries++) {
    try {
      return await answerOnce(path);
    } catch (thrown) {
      if (tries === 500) throw thrown;
      await sleep(10);
    }
  }
}

function answerOnce(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    connect(path)
      .on('data', (chunk) => chunks.push(chunk))
      .on('error', reject)
      .on('close', () => resolve(Buffer.concat(chunks).toString('hex')));
  });
}

function vector(name: string): string | undefined {
  return vectors.find((candidate) => candidate.name === name)?.hex;
}

const asRoot = process.getuid?.() === 0;
const whyNot = !existsSync(library) ? 'the shim is not built' : asRoot ? null : 'it needs root';
if (whyNot !== null) console.log(`skipped: the shim's answers, because ${whyNot}`);
const permitted = readSetting('/proc/sys/vm/unprivileged_userfaultfd');

function readSetting(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : 'missing';
}

describe.skipIf(whyNot !== null)('the shim answers as its golden vectors say', () => {
  it('to every connection anew, for as long as its process lives', async () => {
    const path = processWithShim();
    expect(await answerOf(path)).toBe(vector('userfaultfd-made'));
    expect(await answerOf(path)).toBe(vector('userfaultfd-made'));
  });

  it('where the process may not make a userfaultfd', async () => {
    // What a host permits to everybody is made for nobody as well.
    const expected = permitted === '1' ? 'userfaultfd-made' : 'not-permitted';
    expect(await answerOf(processWithShim(NOBODY))).toBe(vector(expected));
  });
});
