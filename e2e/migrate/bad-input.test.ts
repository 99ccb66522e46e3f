import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePreamble } from '@drover/protocol';
import { describe, expect, it } from 'vitest';
import { drover } from '../harness/drover.js';
import { bareSpec } from '../harness/guests.js';
import { sound, soundness, startGuest } from '../harness/moving.js';
import { removeInstances } from '../harness/two-hosts.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

const hosts = useTwoHosts();

const good = bareSpec({ name: 'wrong', pages: 16, rate: 0, memoryMiB: 64 });
const nic = { kind: 'virtio-nic', backend: 'net', mac: '52:54:00:00:00:01' };

/** What is wrong, the spec, the code, and a word that the sentence must name. */
const specs: readonly (readonly [string, unknown, string, string])[] = [
  ['an unknown key', { ...good, memoryMB: 64 }, 'spec-invalid', 'memoryMB'],
  [
    'a missing kernel',
    { ...good, boot: { from: 'kernel', kernel: '/nowhere/kernel' } },
    'boot-file-unreadable',
    '/nowhere/kernel',
  ],
  ['more memory than there is', { ...good, memoryMiB: 16_000_000 }, 'memory-insufficient', 'MiB'],
  [
    'a machine type that QEMU does not know',
    { ...good, machineType: 'nosuch' },
    'machine-type-unknown',
    'nosuch',
  ],
  [
    'vhost-user',
    { ...good, components: { n: nic, net: { kind: 'vhost-user-network', socket: '/run/x.sock' } } },
    'ram-mode-refused',
    '[blocker-vhost-user]',
  ],
  [
    'vDPA',
    { ...good, components: { n: nic, net: { kind: 'vdpa-network', device: '/dev/vhost-vdpa-0' } } },
    'ram-mode-refused',
    '[blocker-vdpa]',
  ],
  [
    'VFIO',
    { ...good, components: { gpu: { kind: 'vfio-device', address: '0000:01:00.0' } } },
    'ram-mode-refused',
    '[blocker-vfio]',
  ],
];

describe('bad input gets one sentence with a code, and leaves nothing', () => {
  it.each(specs)('a spec with %s', async (_what, spec, code, word) => {
    const result = await drover(
      ['instance', 'create', '-', '--start', '--agent', hosts.a.url],
      JSON.stringify(spec),
    );
    expect(result.stderr.trim()).toMatch(new RegExp(`^drover: .+ \\[${code}\\]$`, 's'));
    expect(result.stderr).toContain(word);
    expect(result.stderr.trim().split('\n')).toHaveLength(1);
    expect(result.code).toBeGreaterThan(0);
    expect(await hosts.a.client.listInstances()).toEqual([]);
    expect(hosts.leftovers()).toEqual([]);
  });

  it('a QEMU that dies at start is named with its own last words', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bad-'));
    const kernel = join(directory, 'kernel');
    writeFileSync(kernel, 'not a kernel');
    try {
      const spec = { ...good, boot: { from: 'kernel', kernel } };
      const result = await drover(
        ['instance', 'create', '-', '--start', '--agent', hosts.a.url],
        JSON.stringify(spec),
      );
      expect(result.code).toBeGreaterThan(0);
      expect(result.stderr).toMatch(/\[(qemu-start-failed|boot-file-unreadable)\]/);
      await removeInstances(hosts.a);
      expect(hosts.leftovers()).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('a port in use', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const directory = mkdtempSync(join(tmpdir(), 'bad-'));
    try {
      const where = ['--state-dir', join(directory, 's'), '--run-dir', join(directory, 'r')];
      const listen = ['--listen', `127.0.0.1:${port}`, '--peer-listen', '127.0.0.1:0'];
      const result = await drover(['agent', '--name', 'x', ...where, ...listen]);
      expect(result.code).toBeGreaterThan(0);
      expect(result.stderr).toContain('[listen-address-in-use]');
      expect(result.stderr).toContain(String(port));
    } finally {
      server.close();
      rmSync(directory, { recursive: true });
    }
  });

  it('an agent that is not there, and an instance that is not there', async () => {
    const unreachable = await drover(['instance', 'list', '--agent', 'http://127.0.0.1:1']);
    expect(unreachable.code).toBeGreaterThan(0);
    expect(unreachable.stderr).toContain('[agent-unreachable]');
    const missing = await drover(['instance', 'show', 'nobody', '--agent', hosts.a.url]);
    expect(missing.code).toBeGreaterThan(0);
    expect(missing.stderr).toContain('[instance-not-found]');
  });
});

describe('a peer that offers only an unknown protocol version', () => {
  it('is refused by name, and the guest is not touched (R7)', async () => {
    const guest = await startGuest(hosts.a, bareSpec({ name: 'home', pages: 16, rate: 0, memoryMiB: 64 }));
    const future = createServer((socket) => {
      socket.once('data', () => {
        socket.end(encodePreamble({ oldest: 7, newest: 9, role: 'control' }));
      });
    });
    await new Promise<void>((resolve) => future.listen(0, '0.0.0.0', resolve));
    const { port } = future.address() as { port: number };
    try {
      const host = hosts.topology === null ? '127.0.0.1' : hosts.topology.a.apiHost.replace(/\.2$/, '.1');
      const started = await hosts.a.client.startMigration({
        instance: 'home',
        destination: { host, port },
        settings: {},
      });
      let failed = await hosts.a.client.getMigration(started.id);
      for await (const event of hosts.a.client.watchMigration(started.id)) {
        if (event.kind === 'ended') failed = event.migration;
      }
      expect(failed.state).toBe('failed');
      expect(failed.error).toMatchObject({ code: 'peer-version-unknown' });
      expect(failed.error?.message).toMatch(/7.*9/);
      expect(await soundness(guest)).toEqual(sound);
    } finally {
      guest.meter.detach();
      future.close();
    }
  });
});
