/** An agent whose journal cannot be written: what it still does, and how it says so. */
import { expect, it, onTestFinished, vi } from 'vitest';
import { type DiskFile, nodeDisk } from '../../src/storage/disk.js';
import { spec, startTestAgent } from '../support/agent.js';
import { until } from '../support/until.js';

/** The real file system; while `full.isFull`, no write to a file that was opened for the journal is taken. */
function fillingDisk(): { isFull: boolean } {
  const full = { isFull: false };
  const openSynced = nodeDisk.openSynced.bind(nodeDisk);
  const spy = vi.spyOn(nodeDisk, 'openSynced').mockImplementation(async (path) => {
    const file: DiskFile = await openSynced(path);
    const write = file.write.bind(file);
    file.write = async (bytes, position) => {
      if (full.isFull) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      return write(bytes, position);
    };
    return file;
  });
  onTestFinished(() => spy.mockRestore());
  return full;
}

it('says that it is not ready and takes no migration until it is started again, while its guests run on (R4, R11)', async () => {
  const full = fillingDisk();
  const test = await startTestAgent();
  await test.client.createInstance({ spec: spec('web-1'), start: true });
  const readiness = () => fetch(new URL('/readyz', test.agent.url));
  const migrate = () =>
    test.client.startMigration({
      instance: 'web-1',
      destination: { host: '127.0.0.1', port: 9 },
      settings: {},
    });
  const life = () => test.client.getInstance('web-1').then(({ state }) => state.life);
  expect((await readiness()).status).toBe(200);

  full.isFull = true;
  await migrate().catch(() => {});
  await until(readiness, ({ status }) => status === 500);
  expect(await (await readiness()).json()).toMatchObject({ error: { code: 'journal-write-failed' } });
  await expect(migrate()).rejects.toMatchObject({ code: 'journal-write-failed' });

  // Room alone is not enough: what the failed write left is judged by a start.
  full.isFull = false;
  await expect(migrate()).rejects.toMatchObject({ code: 'journal-write-failed' });
  await until(life, (now) => now === 'running');

  await test.restart();
  expect((await readiness()).status).toBe(200);
  expect(await life()).toBe('running');
  expect(await migrate()).toMatchObject({ state: 'running' });
});
