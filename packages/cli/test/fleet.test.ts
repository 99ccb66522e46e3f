import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { ExitCode } from '../src/exit-codes.js';
import { startFakeAgent } from './support/fake-agent.js';
import {
  type FakeControlPlane,
  type FakeControlPlaneScript,
  startFakeControlPlane,
} from './support/fake-control-plane.js';
import { drainView, fleetInstance, hostView, plan, preflight } from './support/fleet-documents.js';
import { run } from './support/run-in-process.js';

const servers: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function controlPlane(script: FakeControlPlaneScript = {}): Promise<FakeControlPlane> {
  const server = await startFakeControlPlane(script);
  servers.push(server);
  return server;
}

const toml =
  'name = "web-1"\ncpus = 1\nmemoryMiB = 64\n[boot]\nfrom = "kernel"\nkernel = "/boot/guest.elf"\n';

describe('whom a command asks', () => {
  it('is the control plane that the flag names, then the environment, then the file', async () => {
    const [flag, variable, file] = await Promise.all([controlPlane(), controlPlane(), controlPlane()]);
    const directory = await mkdtemp(join(tmpdir(), 'drover-preferences-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const path = join(directory, 'config.toml');
    await writeFile(path, `control-plane = "${file.url}"\n`);
    const list = ['host', 'list'];
    await run([...list, '--control-plane', flag.url], {
      environment: { DROVER_CONTROL_PLANE: variable.url, DROVER_CONFIG: path },
    });
    expect([flag, variable, file].map(({ requests }) => requests.length)).toEqual([1, 0, 0]);
    await run(list, { environment: { DROVER_CONTROL_PLANE: variable.url, DROVER_CONFIG: path } });
    await run(list, { environment: { DROVER_CONFIG: path } });
    expect([flag, variable, file].map(({ requests }) => requests.length)).toEqual([1, 1, 1]);
  });

  it('is an agent where one is named, and a control plane goes before it in the environment', async () => {
    const agent = await startFakeAgent();
    servers.push(agent);
    const fleet = await controlPlane();
    const environment = { DROVER_AGENT: agent.url };
    expect((await run(['instance', 'list'], { environment })).code).toBe(0);
    expect(agent.requests).toHaveLength(1);
    await run(['instance', 'list'], { environment: { ...environment, DROVER_CONTROL_PLANE: fleet.url } });
    expect([agent.requests.length, fleet.requests.length]).toEqual([1, 1]);
  });

  it.each([
    [
      'both at once',
      ['instance', 'list', '--agent', 'http://a:1', '--control-plane', 'http://b:1'],
      /conflict|cannot be used/,
    ],
    [
      'an agent for what only a fleet has',
      ['instance', 'list', '--agent', 'http://127.0.0.1:1', '--host', 'a'],
      /--host is for a control plane/,
    ],
    [
      'half of a move between agents',
      ['migrate', 'web-1', '--source', 'http://a:1'],
      /--destination is missing/,
    ],
    ['no URL', ['host', 'list', '--control-plane', 'nowhere'], /not the http URL of a control plane/],
  ])('is not: %s', async (_, args, sentence) => {
    const { code, stderr } = await run(args);
    expect(stderr).toMatch(sentence);
    expect(stderr).toMatch(/^drover: .+ \[cli-usage\]\n$/);
    expect(code).toBe(ExitCode.usage);
  });

  it('refuses an unknown key of the file by name', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'drover-preferences-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const path = join(directory, 'config.toml');
    await writeFile(path, 'control-plan = "http://a:1"\n');
    const { code, stderr } = await run(['host', 'list'], { environment: { DROVER_CONFIG: path } });
    expect(stderr).toMatch(/config\.toml: control-plan: unknown key; known: control-plane/);
    expect(code).toBe(ExitCode.usage);
  });

  it('is named where it does not answer', async () => {
    const { code, stderr } = await run(['audit', '--control-plane', 'http://127.0.0.1:1']);
    expect(stderr).toMatch(
      /No control plane answers at http:\/\/127\.0\.0\.1:1 .+ \[control-plane-unreachable\]/,
    );
    expect(code).toBe(ExitCode.failed);
  });

  it('is told who asks, for the audit trail', async () => {
    const { url, requests } = await controlPlane();
    await run(['audit', '--control-plane', url]);
    expect(requests[0]?.headers['drover-actor']).toMatch(/^.+@.+$/);
  });
});

describe('drover host', () => {
  it('lists hosts with what is used of them, over all pages, and no more than --limit', async () => {
    const { url, requests } = await controlPlane({
      documents: {
        listHosts: ({ query }) =>
          query.cursor === 'next'
            ? { items: [hostView('b', { state: 'unreachable' })], nextCursor: null }
            : { items: [hostView('a')], nextCursor: 'next' },
      },
    });
    const at = ['--control-plane', url];
    const { stdout } = await run(['host', 'list', '--label', 'rack=7', ...at]);
    expect(stdout).toMatch(/^a +active +1 +3\/8 +3 GiB\/16 GiB +\S+ +rack=7/m);
    expect(stdout).toMatch(/^b +unreachable → active/m);
    expect(requests.map(({ query }) => query)).toEqual([
      { label: 'rack=7', limit: '500' },
      { label: 'rack=7', limit: '500', cursor: 'next' },
    ]);
    const { stdout: json } = await run(['host', 'list', '--limit', '1', '--json', ...at]);
    expect(JSON.parse(json).items).toHaveLength(1);
    expect(requests).toHaveLength(3);
  });

  it('sets and removes labels, and keeps the others', async () => {
    const { url, requests } = await controlPlane({
      documents: { getHost: () => hostView('a', { labels: { rack: '7', old: 'x', ssd: 'no' } }) },
    });
    const { code } = await run(['host', 'label', 'a', 'ssd=yes', 'old-', '--control-plane', url]);
    expect(code).toBe(0);
    expect(requests[1]).toMatchObject({ endpoint: 'labelHost', body: { labels: { rack: '7', ssd: 'yes' } } });
  });

  it('declares a host lost only with its name twice and a reason', async () => {
    const { url, asked } = await controlPlane();
    const lost = ['host', 'lost', 'a', '--control-plane', url];
    expect((await run([...lost, '--reason', 'It burnt.'])).code).toBe(ExitCode.usage);
    expect((await run([...lost, '--confirm', 'a'])).code).toBe(ExitCode.usage);
    expect(asked()).toEqual([]);
    const { stdout } = await run([...lost, '--confirm', 'a', '--reason', 'It burnt.']);
    expect(stdout).toMatch(/state +lost\nreason +It burnt\./);
  });

  it('begins a drain with the settings given and no others, undrains, shows and forgets', async () => {
    const { url, requests, asked } = await controlPlane();
    const at = ['--control-plane', url];
    const flags = ['--concurrency', '4', '--bandwidth', '1Gbit'];
    const { stdout } = await run(['host', 'drain', 'a', ...flags, ...at]);
    expect(stdout).toMatch(/guests +0 of 2 moved, 0 moving, 2 waiting, 0 stay/);
    expect(requests[0]?.body).toEqual({ concurrency: 4, settings: { bandwidthBytesPerSecond: 125_000_000 } });
    await run(['host', 'undrain', 'a', ...at]);
    await run(['host', 'show', 'a', ...at]);
    expect((await run(['host', 'forget', 'a', ...at])).stdout).toBe('a forgotten.\n');
    expect(asked()).toEqual(['drainHost', 'undrainHost', 'getHost', 'forgetHost']);
  });

  it('exits 3 where it is refused', async () => {
    const refusal = { status: 404, code: 'host-not-found', message: 'There is no host x.' };
    const { url } = await controlPlane({ refusals: { getHost: refusal } });
    const { code, stderr } = await run(['host', 'show', 'x', '--control-plane', url]);
    expect(stderr).toBe('drover: There is no host x. [host-not-found]\n');
    expect(code).toBe(ExitCode.refused);
  });
});

describe('drover instance in a fleet', () => {
  it('creates with placement and labels', async () => {
    const { url, requests } = await controlPlane();
    const flags = [
      '--host',
      'a',
      '--label',
      'tier=web',
      '--require-label',
      'rack=7',
      '--anti-affinity',
      'web',
      '--strategy',
      'pack',
    ];
    const { code } = await run(['instance', 'create', '-', '--start', ...flags, '--control-plane', url], {
      input: toml,
    });
    expect(code).toBe(0);
    expect(requests[0]?.body).toMatchObject({
      id: expect.any(String),
      start: true,
      labels: { tier: 'web' },
      placement: { host: 'a', labels: { rack: '7' }, antiAffinity: 'web', strategy: 'pack' },
    });
  });

  it('says what an instance is and what it shall be where that differs', async () => {
    const unseen = { ...fleetInstance, vmm: fleetInstance.vmm && { ...fleetInstance.vmm, current: false } };
    const { url } = await controlPlane({
      documents: {
        listInstances: () => ({
          items: [
            fleetInstance,
            { ...unseen, name: 'web-2' },
            { ...fleetInstance, name: 'web-3', desired: 'stopped' },
            {
              ...fleetInstance,
              name: 'web-4',
              vmm: null,
              problem: { code: 'no-host-fits', message: 'No room.', retryable: true },
            },
          ],
          nextCursor: null,
        }),
      },
    });
    const { stdout } = await run(['instance', 'list', '--control-plane', url]);
    expect(stdout).toMatch(/^web-1 +running +a +1 +64 MiB +- /m);
    expect(stdout).toMatch(/^web-2 +running +a .+not seen now/m);
    expect(stdout).toMatch(/^web-3 +running → stopped +a /m);
    expect(stdout).toMatch(/^web-4 +not placed → running +- .+no-host-fits/m);
  });

  it('waits until it is so with --wait, and says when that is not in time', async () => {
    let reads = 0;
    const documents: FakeControlPlaneScript['documents'] = {
      startInstance: () => ({ ...fleetInstance, vmm: null }),
      getInstance: () => (reads++ < 1 ? { ...fleetInstance, vmm: null } : fleetInstance),
      stopInstance: () => ({ ...fleetInstance, desired: 'stopped' }),
    };
    const { url } = await controlPlane({ documents });
    const at = ['--control-plane', url];
    expect((await run(['instance', 'start', 'web-1', '--wait', ...at])).stdout).toMatch(/state +running/);
    expect(reads).toBe(2);
    const stuck = await controlPlane({
      documents: { getInstance: () => ({ ...fleetInstance, desired: 'stopped' }) },
    });
    const late = await run(['instance', 'stop', 'web-1', '--wait', '250ms', '--control-plane', stuck.url]);
    expect(late.stderr).toMatch(/web-1 is not yet what it shall be after 250 ms; .+ \[cli-wait-ended\]/);
    expect(late.code).toBe(ExitCode.inDoubt);
  });

  it('stops waiting where nothing will come of it, with the reason', async () => {
    const problem = { code: 'host-lost', message: 'Its host is lost.', retryable: false };
    const { url } = await controlPlane({
      documents: { getInstance: () => ({ ...fleetInstance, vmm: null, problem }) },
    });
    const { code, stderr } = await run(['instance', 'start', 'web-1', '--wait', '--control-plane', url]);
    expect(stderr).toBe('drover: Its host is lost. [host-lost]\n');
    expect(code).toBe(ExitCode.failed);
  });

  it('waits until a deleted instance is gone', async () => {
    const refusal = { status: 404, code: 'instance-not-found', message: 'It is gone.' };
    const { url } = await controlPlane({ refusals: { getInstance: refusal } });
    const { code, stdout } = await run(['instance', 'delete', 'web-1', '--wait', '--control-plane', url]);
    expect(stdout).toBe('web-1 deleted.\n');
    expect(code).toBe(0);
  });

  it('opens the console at the host that runs the instance', async () => {
    const agent = await startFakeAgent({
      onConsole(socket) {
        socket.send('login: ');
        socket.close();
      },
    });
    servers.push(agent);
    const { url } = await controlPlane({ documents: { getHost: () => hostView('a', { url: agent.url }) } });
    const { code, stdout } = await run(['instance', 'console', 'web-1', '--control-plane', url]);
    expect(stdout).toBe('login: ');
    expect(code).toBe(0);
  });
});

describe('drover preflight', () => {
  it('shows each host with its findings, what to do, and exits 0 where one would take the guest', async () => {
    const { url, requests } = await controlPlane();
    const { code, stdout } = await run(['preflight', 'web-1', '--to', 'a', 'b', '--control-plane', url]);
    expect(stdout).toMatchInlineSnapshot(`
      "b  moves
      a  refused
        refused  Host a lacks avx512f, which the guest was started with. [cpu-not-offered]
                 → Choose another host.

      web-1 can move to 1 of 2.
      "
    `);
    expect(code).toBe(0);
    expect(requests[0]?.body).toEqual({ instance: 'web-1', hosts: ['a', 'b'] });
  });

  it('exits 3 where nobody would', async () => {
    const { url } = await controlPlane({
      documents: { checkPreflight: () => ({ results: preflight.slice(0, 1) }) },
    });
    const { code, stdout } = await run(['preflight', 'web-1', '--json', '--control-plane', url]);
    expect(JSON.parse(stdout).results[0].findings[0].code).toBe('cpu-not-offered');
    expect(code).toBe(ExitCode.refused);
  });
});

describe('drover fleet plan', () => {
  it('shows the steps in order, and exits 3 where a guest has no place', async () => {
    const { url, requests } = await controlPlane();
    const { code, stdout } = await run([
      'fleet',
      'plan',
      '--release',
      '0.2.0',
      '--width',
      '2',
      '--control-plane',
      url,
    ]);
    expect(stdout).toMatchInlineSnapshot(`
      "1. drain a (release 0.1.0, 1 guests)
         INSTANCE  FROM  TO  PROBLEM
         web-1     a     b   -

      Every guest has a place in every step.
      "
    `);
    expect(code).toBe(0);
    expect(requests[0]?.body).toEqual({ width: 2, release: '0.2.0' });
    const full = await controlPlane({ documents: { planFleet: () => ({ ...plan, possible: false }) } });
    expect((await run(['fleet', 'plan', '--control-plane', full.url])).code).toBe(ExitCode.refused);
  });
});

describe('drover events, audit and drain', () => {
  it('prints one event a line, with its id for a program, and ends after --count', async () => {
    const events = [
      {
        kind: 'host',
        at: '2026-01-01T00:00:00.000Z',
        host: hostView('b', { state: 'lost', reason: 'It burnt.' }),
      },
      { kind: 'drain', at: '2026-01-01T00:00:01.000Z', drain: drainView(['moved', 'stays']) },
    ] as const;
    const { url, requests } = await controlPlane({ events });
    const at = ['--control-plane', url];
    const { stdout } = await run(['events', '--kinds', 'host,drain', '--after', '41', '--count', '2', ...at]);
    expect(stdout).toMatchInlineSnapshot(`
      "2026-01-01T00:00:00.000Z  host       b: lost, shall be active (It burnt.)
      2026-01-01T00:00:01.000Z  drain      a: running, 1 of 2 moved, 0 moving, 0 waiting, 1 stay
      "
    `);
    expect(requests[0]).toMatchObject({ query: { kinds: 'host,drain' }, headers: { 'last-event-id': '41' } });
    const json = await run(['events', '--count', '1', '--json', ...at]);
    expect(JSON.parse(json.stdout)).toEqual({ id: '1', ...events[0] });
    expect((await run(['events', '--kinds', 'hosts', ...at])).code).toBe(ExitCode.usage);
  });

  it('says who asked for what', async () => {
    const { url } = await controlPlane();
    const { stdout } = await run(['audit', '--target', 'host/a', '--control-plane', url]);
    expect(stdout).toMatch(/root@desk +drain +host\/a +accepted/);
  });

  it('lists drains and shows one guest by guest', async () => {
    const { url } = await controlPlane({ documents: { getDrain: () => drainView(['moved', 'stays']) } });
    const at = ['--control-plane', url];
    expect((await run(['drain', 'list', ...at])).stdout).toMatch(/a +running +1\/2 +0/);
    const { stdout } = await run(['drain', 'show', 'x', ...at]);
    expect(stdout).toMatch(/web-2 +stays +- +1 +The destination has no KVM\. \[identity-mismatch\]/);
  });
});
