import { describe, expect, it } from 'vitest';
import { ExitCode } from '../src/exit-codes.js';
import { controlPlaneOfTest } from './support/fake-control-plane.js';
import { AT, DRAIN_ID, drainView, events, moving } from './support/fleet-documents.js';
import { run, startInProcess } from './support/run-in-process.js';
import { Screen } from './support/screen.js';

const ofDrain = { ...moving, drainId: DRAIN_ID };
const completed = drainView(['moved', 'moved'], { state: 'completed', endedAt: AT });
const remains = drainView(['moved', 'stays'], { state: 'ended-with-remains', endedAt: AT });

describe('drover host drain --watch', () => {
  it('prints a line for each guest that moves, and ends when the host is empty (R12)', async () => {
    const { at } = await controlPlaneOfTest({
      events: [
        events.drain(drainView(['moving', 'waiting'])),
        events.migration(ofDrain),
        events.drain(drainView(['moved', 'moving'])),
        events.drain(completed),
      ],
    });
    const { code, stdout } = await run(['host', 'drain', 'a', '--watch', ...at]);
    expect(stdout).toMatchInlineSnapshot(`
      "Draining a: 0 of 2 moved, 0 moving, 2 waiting, 0 stay
      web-1 moving to b  (0 of 2 moved)
      web-1 moved to b  (1 of 2 moved)
      web-2 moving to b  (1 of 2 moved)
      web-2 moved to b  (2 of 2 moved)
      a is empty and takes no guests; "drover host undrain a" lets it take some again.
      "
    `);
    expect(code).toBe(ExitCode.ok);
  });

  it('exits 1 and says which guests stay and why where not all could leave', async () => {
    const { at } = await controlPlaneOfTest({ events: [events.drain(remains)] });
    const { code, stdout } = await run(['host', 'drain', 'a', '--watch', ...at]);
    expect(stdout).toMatch(/web-2 +stays .+The destination has no KVM\. \[identity-mismatch\]/);
    expect(code).toBe(ExitCode.failed);
  });

  it('learns the end by reading, where the events are missed', async () => {
    const { at } = await controlPlaneOfTest({ documents: { getDrain: () => completed } });
    expect((await run(['host', 'drain', 'a', '--watch', ...at])).code).toBe(ExitCode.ok);
  });

  it('draws what moves, with its progress, and what stays, on a terminal', async () => {
    const screen = new Screen(100);
    const { at } = await controlPlaneOfTest({
      documents: { getDrain: () => drainView(['moved', 'moving', 'stays', 'waiting']) },
      events: [events.migration(ofDrain)],
    });
    const running = startInProcess(['drain', 'show', DRAIN_ID, '--watch', ...at], { terminal: screen });
    await expect.poll(() => screen.text).toContain('rounds 2');
    expect(screen.text.replace(/ {3}[\d.]+ m?s\n/, '\n')).toMatchInlineSnapshot(`
      "Draining a: 1 of 4 moved, 1 moving, 1 waiting, 1 stay
        [######..................] 25 %
        web-2     → b             rounds 2      left 97.7 MiB  2 Gbit/s
        web-3     stays: The destination has no KVM. [identity-mismatch]
      "
    `);
    running.interrupt();
    const { code, stderr } = await running.finished;
    expect(stderr).toContain(`drover drain show ${DRAIN_ID} --watch`);
    expect(code).toBe(ExitCode.inDoubt);
    expect(screen.cursorShown).toBe(true);
  });

  it('prints one event a line with --json, and the drain as it ended last', async () => {
    const { at } = await controlPlaneOfTest({
      events: [events.migration(moving), events.migration(ofDrain), events.drain(completed)],
    });
    const { stdout } = await run(['host', 'drain', 'a', '--watch', '--json', ...at]);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toEqual([
      { kind: 'drain', drain: drainView(['waiting', 'waiting']) },
      { kind: 'migration', migration: ofDrain },
      { kind: 'drain', drain: completed },
      completed,
    ]);
  });
});
