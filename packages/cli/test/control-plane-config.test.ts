import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentConfigKeys } from '../src/agent/config-schema.js';
import { flagsByKey } from '../src/configuration/flags.js';
import { type ConfigSources, loadConfig } from '../src/configuration/load.js';
import { controlPlaneConfigKeys, controlPlaneConfigSchema } from '../src/control-plane/config-schema.js';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'drover-config-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function file(text: string): Promise<string> {
  const path = join(directory, 'control-plane.toml');
  await writeFile(path, text);
  return path;
}

function load(sources: Partial<ConfigSources>) {
  const nothing = { file: undefined, environment: {}, flags: {} };
  return loadConfig(controlPlaneConfigSchema, agentConfigKeys, { ...nothing, ...sources });
}

describe('the configuration of a control plane', () => {
  it('has defaults that listen on this host alone, and keep everything in one directory', async () => {
    expect(await load({})).toEqual({
      listen: { host: '127.0.0.1', port: 7600 },
      database: 'pglite:/var/lib/drover-control-plane',
      'log-level': 'info',
    });
  });

  it('takes the file, over it the environment, over both the flags', async () => {
    const path = await file(
      'database = "pglite:/file"\nwatch-period-ms = 5000\nfence-command = ["/sbin/fence", "-f"]\n',
    );
    const flags = flagsByKey(controlPlaneConfigKeys, { config: path, watchPeriodMs: '7000' });
    const environment = { DROVER_DATABASE: 'postgres://db/drover', DROVER_HEARTBEAT_MS: '2000' };
    expect(await load({ file: path, environment, flags })).toMatchObject({
      database: 'postgres://db/drover',
      'watch-period-ms': 7000,
      'heartbeat-ms': 2000,
      'fence-command': ['/sbin/fence', '-f'],
    });
  });

  it('takes limits of migrations', async () => {
    const environment = { DROVER_MIGRATIONS_OUT: '2', DROVER_HOST_BANDWIDTH: '1Gbit' };
    expect(await load({ environment })).toMatchObject({ 'migrations-out': 2, 'host-bandwidth': 125_000_000 });
    await expect(load({ environment: { DROVER_HOST_BANDWIDTH: 'fast' } })).rejects.toMatchObject({
      message: expect.stringMatching(/DROVER_HOST_BANDWIDTH:? is not a bandwidth/),
    });
  });

  it('takes how many times over a host is given away', async () => {
    const environment = { DROVER_CPU_OVERCOMMIT: '16', DROVER_MEMORY_OVERCOMMIT: '1.5' };
    expect(await load({ environment })).toMatchObject({ 'cpu-overcommit': 16, 'memory-overcommit': 1.5 });
    await expect(load({ environment: { DROVER_CPU_OVERCOMMIT: '0' } })).rejects.toMatchObject({
      message: expect.stringMatching(/DROVER_CPU_OVERCOMMIT:? is not a number from 0\.1 to 1000/),
    });
  });

  it('takes a command with its arguments as JSON where there are no lists', async () => {
    const environment = { DROVER_FENCE_COMMAND: '["ipmi","power off"]' };
    expect((await load({ environment }))['fence-command']).toEqual(['ipmi', 'power off']);
  });

  it('leaves the variables of an agent alone, which may share the environment', async () => {
    await expect(load({ environment: { DROVER_STATE_DIR: '/x' } })).resolves.toBeDefined();
  });

  it.each([
    [
      'an unknown key of the file',
      'databse = "x"',
      {},
      /control-plane\.toml: databse: unknown key; known: listen, database/,
    ],
    ['an unknown variable', '', { DROVER_DATABSE: 'x' }, /DROVER_DATABSE: unknown variable/],
    ['a period that is none', 'watch-period-ms = 0', {}, /watch-period-ms:? is not a whole number from 1/],
    [
      'a command in one piece',
      'fence-command = "ipmi off"',
      {},
      /fence-command:? is not a list of a program and its arguments/,
    ],
  ])('refuses %s by name', async (_, text, environment, sentence) => {
    await expect(load({ file: await file(text), environment })).rejects.toMatchObject({
      code: 'cli-config-invalid',
      message: expect.stringMatching(sentence),
    });
  });
});
