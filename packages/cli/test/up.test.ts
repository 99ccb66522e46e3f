import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drover, type Running, startDrover } from './support/run-drover.js';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dr-up-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

interface Ready {
  readonly controlPlane: string;
  readonly hosts: readonly { readonly name: string; readonly url: string; readonly pid: number }[];
}

function up(name: string, ...flags: readonly string[]): Running {
  const at = ['--directory', join(directory, name), '--listen', '127.0.0.1:0'];
  return startDrover(['up', '--json', ...at, ...flags], { deadlineMs: 60_000 });
}

async function ready(running: Running): Promise<Ready> {
  await running.printed('\n');
  return JSON.parse(running.stdout());
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('drover up', () => {
  it('runs a control plane and its agents, which the other commands see, and ends all of them', async () => {
    const running = up('one', '--agents', '2');
    const { controlPlane, hosts } = await ready(running);
    expect(hosts.map(({ name }) => name)).toEqual(['a', 'b']);
    const list = await drover(['host', 'list', '--json', '--control-plane', controlPlane]);
    expect(JSON.parse(list.stdout).items).toMatchObject([
      { name: 'a', state: 'active', url: hosts[0]?.url },
      { name: 'b', state: 'active', url: hosts[1]?.url },
    ]);
    running.child.kill('SIGINT');
    expect((await running.finished).code).toBe(0);
    expect(hosts.map(({ pid }) => lives(pid))).toEqual([false, false]);
  }, 90_000);

  it('ends the agents when it is killed itself, and comes back on the same directory', async () => {
    const first = up('two', '--agents', '1');
    const [host] = (await ready(first)).hosts;
    first.child.kill('SIGKILL');
    await first.finished;
    await expect.poll(() => lives(host?.pid ?? 0), { timeout: 20_000 }).toBe(false);
    const second = up('two', '--agents', '1');
    expect((await ready(second)).hosts.map(({ name }) => name)).toEqual(['a']);
    second.child.kill('SIGTERM');
    expect((await second.finished).code).toBe(0);
  }, 90_000);

  it('says which agent ended by itself and where its log is, ends the rest and exits 1', async () => {
    const running = up('three', '--agents', '2');
    const [first, second] = (await ready(running)).hosts;
    process.kill(first?.pid ?? 0, 'SIGKILL');
    const { code, stderr } = await running.finished;
    expect(stderr).toMatch(/Agent a ended with SIGKILL; see .+three\/a\/agent\.log.+ \[cli-up-failed\]/);
    expect(code).toBe(1);
    expect(lives(second?.pid ?? 0)).toBe(false);
  }, 90_000);
});
