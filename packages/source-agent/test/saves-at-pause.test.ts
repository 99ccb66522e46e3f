import { createConnection } from 'node:net';
import type { Vmm } from '@drover/vmm';
import { describe, expect, it } from 'vitest';
import { expectRolledBack, longestPause, withWorld } from './world/with-world.js';

/** Has the VMM write its state as soon as it stands still; what it was asked of that, in order. */
function savesAtPause(vmm: Vmm, works: boolean): string[] {
  const asked: string[] = [];
  const [save, pause] = [vmm.saveState.bind(vmm), vmm.pause.bind(vmm)];
  let socket = '';
  vmm.savesAtPause = () => true;
  vmm.prepareSave = async (path) => {
    socket = path;
  };
  vmm.pause = async () => {
    await pause();
    // Of the switchover; what is paused later saves nothing.
    const to = socket;
    socket = '';
    if (to === '') return;
    if (works) await save(to, new AbortController().signal);
    else createConnection(to).end();
  };
  vmm.saveState = async (path) => {
    asked.push(path);
    throw new Error('the state does not fit');
  };
  return asked;
}

describe('a VMM that saves its state at its pause', () => {
  it('is not asked how that went where the state came through', async () => {
    await withWorld({ rate: 5_000, workingSet: 512 }, async (world) => {
      const asked = savesAtPause(world.source, true);
      expect(await world.migrate()).toMatchObject({ kind: 'completed' });
      expect(asked).toEqual([]);
    });
  });

  it('says why where nothing came through, and the guest goes on (R12)', async () => {
    await withWorld({}, async (world) => {
      const asked = savesAtPause(world.source, false);
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { code: 'state-save-failed', message: expect.stringContaining('the state does not fit') },
      });
      expect(asked).toHaveLength(1);
      expect(longestPause(world)).toBeLessThan(1_000);
      await expectRolledBack(world, outcome);
    });
  });
});
