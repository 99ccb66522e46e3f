import { closeSync, constants, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { native } from '../index.js';

const path = join(tmpdir(), `drover-storage-${process.pid}`);
const opened: number[] = [];

function open(file: string, flags: number): number {
  const fd = openSync(file, flags, 0o600);
  opened.push(fd);
  return fd;
}

afterEach(() => {
  for (const fd of opened.splice(0)) closeSync(fd);
  rmSync(path, { force: true });
});

describe('a synced write', () => {
  it('puts its bytes, as they were when it was asked for, where they are to be', async () => {
    const fd = open(path, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC);
    const bytes = Buffer.from('abc');
    const written = native().writeSynced(fd, bytes, 2);
    bytes.fill(0);
    expect(await written).toBeUndefined();
    expect(readFileSync(path, 'latin1')).toBe('\0\0abc');
  });

  it('that fails names the cause', async () => {
    const full = open('/dev/full', constants.O_WRONLY);
    await expect(native().writeSynced(full, Buffer.from('a'), 0)).rejects.toMatchObject({
      code: 'native-system-call',
      syscall: 'pwrite',
      message: expect.stringContaining('No space left on device'),
    });
  });

  it('refuses arguments that are none, and writes nothing', async () => {
    const fd = open(path, constants.O_RDWR | constants.O_CREAT);
    const { writeSynced } = native() as unknown as Record<
      'writeSynced',
      (...args: unknown[]) => Promise<void>
    >;
    for (const args of [
      [-1, Buffer.from('a'), 0],
      [fd, 'a', 0],
      [fd, Buffer.from('a'), -1],
      [fd, Buffer.from('a'), 0.5],
    ]) {
      await expect(writeSynced(...args)).rejects.toMatchObject({ code: 'native-invalid-argument' });
    }
    expect(readFileSync(path, 'latin1')).toBe('');
  });
});
