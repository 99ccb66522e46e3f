import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { writeFileAtomic } from '../../src/storage/atomic-file.js';
import { RunDirectory } from '../../src/storage/run-directory.js';
import { StateDirectory } from '../../src/storage/state-directory.js';
import { temporaryDirectory } from '../support/directory.js';

const HOST = '0123abcd-0000-4000-8000-000000000001';

describe('the state directory', () => {
  it('keeps the identity of the host over a restart', async () => {
    const path = join(temporaryDirectory(), 'state');
    const first = await StateDirectory.open(path);
    await first.close();
    const second = await StateDirectory.open(path);
    await second.close();
    expect(second.hostId).toBe(first.hostId);
  });

  it('refuses a second agent on the same directory, and lets one in after the first has gone', async () => {
    const path = join(temporaryDirectory(), 'state');
    const first = await StateDirectory.open(path);
    await expect(StateDirectory.open(path)).rejects.toMatchObject({
      code: 'state-directory-in-use',
      message: expect.stringContaining(path),
    });
    await first.close();
    await (await StateDirectory.open(path)).close();
  });

  it('refuses a second agent process, and lets one in once the first was killed (R1, R11)', async () => {
    const path = join(temporaryDirectory(), 'state');
    const first = hold(path);
    expect(await first.said).toMatch(/^holds /);
    expect(await hold(path).said).toBe('refused state-directory-in-use');
    first.process.kill('SIGKILL');
    await once(first.process, 'exit');
    const third = hold(path);
    expect(await third.said).toBe(await first.said);
    third.process.kill('SIGKILL');
    await once(third.process, 'exit');
  });

  it('says in one sentence why a directory cannot be used', async () => {
    const file = join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    await expect(StateDirectory.open(join(file, 'state'))).rejects.toMatchObject({
      code: 'state-directory-unusable',
      message: expect.stringMatching(/^The state directory .*ENOTDIR.*\.$/),
    });
  });

  it('refuses a host identity that it cannot read rather than making a new one', async () => {
    const path = join(temporaryDirectory(), 'state');
    mkdirSync(path);
    writeFileSync(join(path, 'host.json'), '{');
    await expect(StateDirectory.open(path)).rejects.toMatchObject({ code: 'state-directory-unusable' });
  });
});

/** A process that opens the state directory; `said` is its one line. */
function hold(path: string) {
  const program = fileURLToPath(new URL('state-directory-holder.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said = once(createInterface(child.stdout), 'line').then(([line]) => String(line));
  return { process: child, said };
}

describe('the run directory', () => {
  it('refuses a path under which unix sockets would not fit', async () => {
    await expect(RunDirectory.open(`/tmp/${'x'.repeat(80)}`, HOST)).rejects.toMatchObject({
      code: 'run-directory-too-long',
      message: expect.stringContaining('107'),
    });
  });

  it('leaves room for every socket name at the longest path that it takes', async () => {
    const base = temporaryDirectory();
    const path = join(base, 'r'.repeat(59 - base.length - 1));
    const run = await RunDirectory.open(path, HOST);
    const socket = join(run.vmm('00000000-0000-4000-8000-000000000001'), 'migration-state.sock');
    expect(Buffer.byteLength(socket)).toBeLessThanOrEqual(107);
  });

  it('says in one sentence why it cannot be used', async () => {
    const file = join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    await expect(RunDirectory.open(join(file, 'run'), HOST)).rejects.toMatchObject({
      code: 'run-directory-unusable',
    });
  });
});

describe('an atomic write', () => {
  it('replaces the whole file and leaves nothing beside it', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'a.json');
    await writeFileAtomic(path, 'a long first text');
    await writeFileAtomic(path, 'second');
    expect(readFileSync(path, 'utf8')).toBe('second');
    expect(readdirSync(directory)).toEqual(['a.json']);
  });

  it('leaves the old file and nothing beside it when it fails', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'a');
    mkdirSync(path);
    writeFileSync(join(path, 'kept'), '');
    await expect(writeFileAtomic(path, 'text')).rejects.toThrow();
    expect(readdirSync(directory)).toEqual(['a']);
  });
});
