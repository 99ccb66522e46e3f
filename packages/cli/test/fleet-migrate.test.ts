import { describe, expect, it } from 'vitest';
import { ExitCode } from '../src/exit-codes.js';
import { INSTANCE_ID, MIGRATION_ID } from './support/documents.js';
import { controlPlaneOfTest } from './support/fake-control-plane.js';
import {
  cancelledMigration,
  events,
  fleetMigration,
  movedMigration,
  moving,
  refusedMigration,
} from './support/fleet-documents.js';
import { run, startInProcess } from './support/run-in-process.js';
import { Screen } from './support/screen.js';

const course = [
  events.migration(fleetMigration(0)),
  events.migration(moving),
  events.migration(movedMigration),
];

describe('drover migrate in a fleet', () => {
  it('asks the control plane, shows the steps and the rounds, and ends with the report (R12)', async () => {
    const { at, requests } = await controlPlaneOfTest({ migrationEvents: course });
    const flags = ['--to', 'b', '--verify', '--max-downtime', '20ms'];
    const { code, stdout, stderr } = await run(['migrate', 'web-1', ...flags, ...at]);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^preflight\nrounds round 2 {2}sent 300 MiB/);
    expect(stdout).toContain('web-1 moved to b.');
    expect(stdout).toContain('downtime 12.5 ms');
    expect(code).toBe(ExitCode.ok);
    expect(requests[0]).toMatchObject({
      endpoint: 'createMigration',
      body: { instance: 'web-1', destination: 'b', settings: { verify: true, maxDowntimeMs: 20 } },
    });
  });

  it('prints one event a line with --json, and the migration as it ended last', async () => {
    const { at } = await controlPlaneOfTest({ migrationEvents: course });
    const { stdout } = await run(['migrate', 'web-1', '--json', ...at]);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toEqual([
      { kind: 'migration', migration: fleetMigration(0) },
      { kind: 'migration', migration: moving },
      movedMigration,
    ]);
  });

  it('draws itself on a terminal, and names the host once it is chosen', async () => {
    const screen = new Screen(80);
    const { at } = await controlPlaneOfTest({ migrationEvents: course });
    await run(['migrate', 'web-1', ...at], { terminal: screen });
    expect(screen.text).toContain('Moving web-1 to b\n  phase       rounds, round 2');
    expect(screen.text).toContain('web-1 moved to b.');
    expect(screen.cursorShown).toBe(true);
  });

  it.each([
    ['was refused by the preflight', refusedMigration, ExitCode.refused],
    ['was cancelled', cancelledMigration, ExitCode.cancelled],
  ])('says with its exit code that the migration %s', async (_, migration, expected) => {
    const { at } = await controlPlaneOfTest({ migrationEvents: [events.migration(migration)] });
    const { code, stderr } = await run(['migrate', 'web-1', ...at]);
    expect(stderr).toBe(`drover: ${migration.error?.message} [${migration.error?.code}]\n`);
    expect(code).toBe(expected);
  });

  it('goes on watching one that is in doubt', async () => {
    const doubt = fleetMigration(4, { state: 'in-doubt', phase: 'handover' });
    const { at } = await controlPlaneOfTest({
      migrationEvents: [events.migration(doubt), events.migration(movedMigration)],
    });
    expect((await run(['migrate', 'web-1', ...at])).code).toBe(ExitCode.ok);
  });

  it('asks to cancel at the first Ctrl-C and waits for the end (R12)', async () => {
    const { at, asked } = await controlPlaneOfTest({
      migrationEvents: [events.migration(moving)],
      afterCancel: events.migration(cancelledMigration),
    });
    const running = startInProcess(['migrate', 'web-1', ...at]);
    await running.printed('rounds round 2');
    running.interrupt();
    const { code, stdout } = await running.finished;
    expect(asked()).toContain('cancelMigration');
    expect(stdout).toContain('was cancelled; the guest stays where it was');
    expect(code).toBe(ExitCode.cancelled);
  });

  it('lets go at the second Ctrl-C and says where to look', async () => {
    const { at } = await controlPlaneOfTest({ migrationEvents: [events.migration(moving)] });
    const running = startInProcess(['migrate', 'web-1', ...at]);
    await running.printed('rounds round 2');
    running.interrupt();
    running.interrupt();
    const { code, stderr } = await running.finished;
    expect(stderr).toContain(`drover migration watch ${MIGRATION_ID}`);
    expect(code).toBe(ExitCode.inDoubt);
  });

  it('begins it and returns with --no-wait', async () => {
    const { at, asked } = await controlPlaneOfTest({});
    const { code, stdout } = await run(['migrate', 'web-1', '--no-wait', ...at]);
    expect(stdout).toBe(`${MIGRATION_ID}\n`);
    expect(code).toBe(ExitCode.ok);
    expect(asked()).toEqual(['createMigration']);
  });

  it('gives the destination the backends that --backend names, whole', async () => {
    const { at, requests } = await controlPlaneOfTest({ migrationEvents: course });
    await run(['migrate', 'web-1', '--backend', 'disk0-file.path=/mnt/b.raw', ...at]);
    expect(requests[1]?.body).toMatchObject({
      backends: { 'disk0-file': { kind: 'file-storage', path: '/mnt/b.raw', format: 'raw', cache: 'none' } },
    });
  });
});

describe('drover migration in a fleet', () => {
  it('lists with filters, shows the steps, and watches', async () => {
    const { at, requests } = await controlPlaneOfTest({ migrationEvents: course });
    const list = await run(['migration', 'list', '--state', 'running', '--host', 'a', ...at]);
    expect(list.stdout).toMatch(new RegExp(`^${MIGRATION_ID}  web-1 +a +b +running`, 'm'));
    expect(requests[0]?.query).toEqual({ state: 'running', host: 'a', limit: '50' });
    const show = await run(['migration', 'show', MIGRATION_ID, ...at]);
    expect(show.stdout).toMatch(/^preflight +done +1 +0 ms/m);
    expect(show.stdout).toMatch(/^move +running +1/m);
    const json = await run(['migration', 'show', MIGRATION_ID, '--json', ...at]);
    expect(JSON.parse(json.stdout)).toMatchObject({ instanceId: INSTANCE_ID });
    const watch = await run(['migration', 'watch', MIGRATION_ID, ...at]);
    expect(watch.stdout).toContain('web-1 moved to b.');
  });

  it.each([
    ['that cancelled', cancelledMigration, ExitCode.ok],
    ['that came too late', movedMigration, ExitCode.failed],
  ])(
    'waits for the end of a cancel %s, and says with its exit code which',
    async (_, migration, expected) => {
      const { at } = await controlPlaneOfTest({ migrationEvents: [events.migration(migration)] });
      expect((await run(['migration', 'cancel', MIGRATION_ID, ...at])).code).toBe(expected);
    },
  );

  it('resolves only with a decision, the lost host and a reason', async () => {
    const { at, requests } = await controlPlaneOfTest({});
    const resolve = ['migration', 'resolve', MIGRATION_ID, ...at];
    const decided = [...resolve, '--decision', 'take-back', '--lost-host', 'b'];
    expect((await run(decided)).code).toBe(ExitCode.usage);
    expect((await run([...decided, '--reason', 'It burnt.'])).code).toBe(ExitCode.ok);
    expect(requests).toHaveLength(1);
    expect(requests[0]?.body).toEqual({ decision: 'take-back', lostHost: 'b', reason: 'It burnt.' });
  });
});
