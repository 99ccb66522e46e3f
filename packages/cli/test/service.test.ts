import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDrover } from './support/run-drover.js';
import { managerMissing, ServiceManager } from './support/service-manager.js';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'drover-s-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const daemons = [
  [
    'agent',
    () => [
      ...['agent', '--name', 'one', '--listen', '127.0.0.1:0', '--peer-listen', '127.0.0.1:0'],
      ...['--state-dir', join(directory, 'state'), '--run-dir', join(directory, 'run')],
    ],
  ],
  [
    'control-plane',
    () => ['control-plane', '--listen', '127.0.0.1:0', '--database', `pglite:${join(directory, 'db')}`],
  ],
] as const;

describe.skipIf(managerMissing !== null)(
  `a service manager${managerMissing === null ? '' : ` (skipped: ${managerMissing})`}`,
  () => {
    it.each(daemons)(
      'hears from drover %s when it serves, that it lives, and when it stops',
      async (name, args) => {
        const socket = join(directory, `${name}.sock`);
        const manager = new ServiceManager(socket);
        try {
          await expect.poll(() => manager.heard, { timeout: 10_000 }).toEqual(['bound']);
          const running = startDrover(args(), {
            environment: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '200000' },
            // An embedded database takes seconds to be made on a busy machine.
            deadlineMs: 60_000,
          });
          await running.printed('"ready":true');
          await expect.poll(() => manager.heard.length, { timeout: 10_000 }).toBeGreaterThan(4);
          expect(manager.heard.slice(0, 4)).toEqual(['bound', 'READY=1', 'WATCHDOG=1', 'WATCHDOG=1']);
          running.child.kill('SIGTERM');
          expect((await running.finished).code).toBe(0);
          expect(manager.heard).toContain('STOPPING=1');
        } finally {
          manager.close();
        }
      },
    );

    it('does not hear a sign of life that it did not ask this process for', async () => {
      const socket = join(directory, 'other.sock');
      const manager = new ServiceManager(socket);
      try {
        await expect.poll(() => manager.heard, { timeout: 10_000 }).toEqual(['bound']);
        const [, args] = daemons[0];
        const running = startDrover(args(), {
          environment: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' },
        });
        await running.printed('"ready":true');
        running.child.kill('SIGTERM');
        await running.finished;
        await expect.poll(() => manager.heard).toContain('STOPPING=1');
        expect(manager.heard).not.toContain('WATCHDOG=1');
      } finally {
        manager.close();
      }
    });

    it('is no reason to end where it is not there: the daemon says so once and serves', async () => {
      const [, args] = daemons[0];
      const running = startDrover(args(), {
        environment: { NOTIFY_SOCKET: join(directory, 'nobody.sock'), WATCHDOG_USEC: '20000' },
      });
      await running.printed('"ready":true');
      await new Promise((resolve) => setTimeout(resolve, 200));
      running.child.kill('SIGTERM');
      const { code, stderr } = await running.finished;
      expect(code).toBe(0);
      expect(stderr.match(/the service manager is not told/g)).toHaveLength(1);
    });
  },
);
