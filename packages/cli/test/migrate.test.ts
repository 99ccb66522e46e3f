import { afterEach, describe, expect, it } from 'vitest';
import {
  cancelled,
  completed,
  endedEvent,
  failed,
  INSTANCE_ID,
  inDoubt,
  MIGRATION_ID,
  progressEvent,
  refused,
} from './support/documents.js';
import { type FakeAgent, type FakeAgentScript, startFakeAgent } from './support/fake-agent.js';
import { drover, startDrover } from './support/run-drover.js';

const agents: FakeAgent[] = [];
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.close()));
});

async function pair(script: FakeAgentScript) {
  const [source, destination] = await Promise.all([startFakeAgent(script), startFakeAgent()]);
  agents.push(source, destination);
  const command = ['migrate', 'web-1', '--source', source.url, '--destination', destination.url];
  return { source, destination, command };
}

describe('drover migrate', () => {
  it('asks the source to move the instance to the address that the destination says it listens on', async () => {
    const { source, destination, command } = await pair({ events: [endedEvent(completed)] });
    const { code } = await drover([
      ...command,
      ...[
        '--connections',
        '4',
        '--bandwidth',
        '1Gbit',
        '--max-downtime',
        '20ms',
        '--timeout',
        '2m',
        '--verify',
      ],
    ]);
    expect(code).toBe(0);
    expect(destination.requests.map(({ endpoint }) => endpoint)).toEqual(['getHost']);
    expect(source.requests[0]).toMatchObject({
      endpoint: 'startMigration',
      body: {
        instance: 'web-1',
        destination: { host: '10.0.0.2', port: 7701 },
        settings: {
          connections: 4,
          bandwidthBytesPerSecond: 125_000_000,
          maxDowntimeMs: 20,
          timeoutMs: 120_000,
          verify: true,
        },
      },
    });
  });

  it('prints a line a round and the report where it does not write to a terminal (R12)', async () => {
    const { command } = await pair({
      events: [progressEvent({ round: 0 }), progressEvent({ round: 1 }), endedEvent(completed)],
    });
    const { code, stdout, stderr } = await drover(command);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toContain('rounds round 0  sent 300 MiB  remaining 97.7 MiB  2 Gbit/s');
    expect(stdout).toContain('rounds round 1');
    expect(stdout).toContain('total 2.35 s, downtime 12.5 ms, memory verified');
    expect(stdout).not.toContain('\u001b');
  });

  it('prints one event a line with --json, and the migration as it ended last', async () => {
    const { command } = await pair({ events: [progressEvent(), endedEvent(completed)] });
    const { code, stdout } = await drover([...command, '--json']);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(code).toBe(0);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toEqual(progressEvent());
    expect(lines[1]).toEqual(completed);
  });

  it.each([
    ['failed on the way', failed, 1, 'drover: The connections broke. [bulk-failed]\n'],
    [
      'was refused by the destination',
      refused,
      3,
      'drover: The destination has no KVM. [identity-mismatch]\n',
    ],
    ['was cancelled', cancelled, 4, 'drover: Somebody cancelled it. [migration-cancelled]\n'],
    ['is in doubt', inDoubt, 5, 'drover: The destination has not answered. [outcome-unknown]\n'],
  ])('says with its exit code that the migration %s', async (_, view, expected, sentence) => {
    const { command } = await pair({ events: [endedEvent(view)] });
    const { code, stderr } = await drover(command);
    expect(code).toBe(expected);
    expect(stderr).toBe(sentence);
  });

  it('asks to cancel at the first Ctrl-C and waits for the end (R12)', async () => {
    const { source, command } = await pair({ events: [progressEvent()] });
    const running = startDrover(command);
    await running.printed('round 2');
    running.child.kill('SIGINT');
    const { code, stdout } = await running.finished;
    expect(source.requests.map(({ endpoint }) => endpoint)).toContain('cancelMigration');
    expect(stdout).toContain('Asking to cancel');
    expect(stdout).toContain('was cancelled; the guest stays where it was');
    expect(code).toBe(4);
  });

  it('lets go at the second Ctrl-C, says where to look, and leaves the migration alone', async () => {
    const { command } = await pair({
      events: [progressEvent()],
      refusals: { cancelMigration: { status: 409, code: 'too-late', message: 'The handover has begun.' } },
    });
    const running = startDrover(command);
    await running.printed('round 2');
    running.child.kill('SIGINT');
    await running.printed('Not cancelled: The handover has begun.');
    running.child.kill('SIGINT');
    const { code, stderr } = await running.finished;
    expect(code).toBe(5);
    expect(stderr).toContain(`drover migration watch ${MIGRATION_ID}`);
  });

  it('exits 3 when the source does not take the order, and asks for nothing more', async () => {
    const { source, command } = await pair({
      refusals: {
        startMigration: { status: 409, code: 'instance-busy', message: 'It is being moved already.' },
      },
    });
    const { code, stderr } = await drover(command);
    expect(code).toBe(3);
    expect(stderr).toBe('drover: It is being moved already. [instance-busy]\n');
    expect(source.requests).toHaveLength(1);
  });

  it('says who cannot be reached, starts nothing and exits 1', async () => {
    const { source } = await pair({});
    const nobody = 'http://127.0.0.1:1';
    const { code, stderr } = await drover([
      ...['migrate', 'web-1', '--source', source.url, '--destination', nobody],
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain(nobody);
    expect(stderr).toContain('[agent-unreachable]');
    expect(source.requests).toHaveLength(0);
  });

  it('gives the destination the backends that --backend names, whole, as the source has them otherwise', async () => {
    const { source, command } = await pair({ events: [endedEvent(completed)] });
    const change = [
      '--backend',
      'disk0-file.path=/mnt/other=1.raw',
      '--backend',
      'disk0-file.cache=writeback',
    ];
    const { code } = await drover([...command, ...change]);
    expect(code).toBe(0);
    expect(source.requests.map(({ endpoint }) => endpoint).slice(0, 2)).toEqual([
      'getInstance',
      'startMigration',
    ]);
    expect(source.requests[1]?.body).toMatchObject({
      backends: {
        'disk0-file': {
          kind: 'file-storage',
          path: '/mnt/other=1.raw',
          format: 'raw',
          cache: 'writeback',
          readOnly: false,
        },
      },
    });
  });

  it.each([
    ['a component that is not there', 'disk7.path=/x', /disk7/],
    ['what every object inherits', 'constructor.path=/x', /constructor/],
    ['what no component may be called', '__proto__.path=/x', /__proto__/],
    ['a device', 'disk0.serial=x', /disk0.+not a backend/],
    ['another kind', 'disk0-file.kind=block-storage', /disk0-file/],
    ['what the guest sees', 'disk0-file.readOnly=true', /readOnly/],
    ['a field that it does not have', 'disk0-file.pth=/x', /pth/],
  ])('refuses --backend for %s, and starts nothing (R7)', async (_, change, sentence) => {
    const { source, command } = await pair({});
    const { code, stderr } = await drover([...command, '--backend', change]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^drover: .+\.? \[backend-replacement-invalid\]\n$/);
    expect(stderr).toMatch(sentence);
    expect(source.requests.map(({ endpoint }) => endpoint)).not.toContain('startMigration');
  });

  it.each([
    ['a bandwidth without a unit', ['--bandwidth', '12']],
    ['a fraction of a millisecond', ['--max-downtime', '0.5ms']],
    ['too many connections', ['--connections', '65']],
    ['an unknown option', ['--conections', '2']],
    ['a backend without a field', ['--backend', 'disk0=/x']],
    ['a backend field twice', ['--backend', 'a.path=/x', '--backend', 'a.path=/y']],
  ])('refuses %s before anybody is asked', async (_, extra) => {
    const { source, destination, command } = await pair({});
    const { code, stderr, stdout } = await drover([...command, ...extra]);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^drover: .+ \[cli-usage\]\n$/);
    expect([...source.requests, ...destination.requests]).toEqual([]);
  });
});

describe('drover migration', () => {
  it('lists, shows and watches', async () => {
    const { source } = await pair({ events: [endedEvent(completed)] });
    const list = await drover(['migration', 'list', '--agent', source.url]);
    expect(list.stdout).toMatch(new RegExp(`${MIGRATION_ID}  web-1 +source +10.0.0.2:7701  running`));
    const show = await drover(['migration', 'show', MIGRATION_ID, '--agent', source.url, '--json']);
    expect(JSON.parse(show.stdout)).toMatchObject({ id: MIGRATION_ID, instanceId: INSTANCE_ID });
    const watch = await drover(['migration', 'watch', MIGRATION_ID, '--agent', source.url]);
    expect(watch.code).toBe(0);
    expect(watch.stdout).toContain('web-1 moved to 10.0.0.2:7701.');
  });

  it('exits 0 for a cancel that cancelled and 1 for one that came too late', async () => {
    const { source } = await pair({});
    const inTime = await drover(['migration', 'cancel', MIGRATION_ID, '--agent', source.url]);
    expect(inTime.code).toBe(0);
    const { source: late } = await pair({ afterCancel: completed });
    const tooLate = await drover(['migration', 'cancel', MIGRATION_ID, '--agent', late.url]);
    expect(tooLate.code).toBe(1);
  });
});
