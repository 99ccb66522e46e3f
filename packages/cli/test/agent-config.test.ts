import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAgentConfig } from '../src/agent/config.js';
import { agentConfigKeys } from '../src/agent/config-schema.js';
import { environmentName } from '../src/configuration/environment.js';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'drover-config-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function file(text: string): Promise<string> {
  const path = join(directory, 'agent.toml');
  await writeFile(path, text);
  return path;
}

const nothing = { file: undefined, environment: {}, flags: {} };

describe('the configuration of an agent', () => {
  it('has defaults that listen on this host alone', async () => {
    expect(await loadAgentConfig(nothing)).toMatchObject({
      'state-dir': '/var/lib/drover',
      'run-dir': '/run/drover',
      listen: { host: '127.0.0.1', port: 7700 },
      'peer-listen': { host: '127.0.0.1', port: 7701 },
      'log-level': 'info',
    });
  });

  it('takes the file, over it the environment, over both the flags', async () => {
    const path = await file('name = "file"\nstate-dir = "/file"\nrun-dir = "/file"\n');
    const config = await loadAgentConfig({
      file: path,
      environment: { DROVER_STATE_DIR: '/environment', DROVER_RUN_DIR: '/environment' },
      flags: { 'run-dir': '/flag', name: undefined },
    });
    expect(config).toMatchObject({ name: 'file', 'state-dir': '/environment', 'run-dir': '/flag' });
  });

  it('reads an IPv6 address in brackets', async () => {
    const config = await loadAgentConfig({ ...nothing, flags: { listen: '[::1]:0' } });
    expect(config.listen).toEqual({ host: '::1', port: 0 });
  });

  it('reads where its control plane is, and its labels from a table and from a line', async () => {
    const path = await file('control-plane = "http://a:7600, http://b:7600"\n[labels]\nrack = "7"\n');
    expect(await loadAgentConfig({ ...nothing, file: path })).toMatchObject({
      'control-plane': ['http://a:7600', 'http://b:7600'],
      labels: { rack: '7' },
    });
    const environment = { DROVER_LABELS: 'rack=7, ssd=yes', DROVER_AGENT_URL: 'http://10.0.0.2:7700' };
    expect(await loadAgentConfig({ ...nothing, environment })).toMatchObject({
      labels: { rack: '7', ssd: 'yes' },
      'agent-url': 'http://10.0.0.2:7700',
    });
  });

  it('reads a list of versions', async () => {
    const config = await loadAgentConfig({ ...nothing, environment: { DROVER_PEER_VERSIONS: '1,2' } });
    expect(config['peer-versions']).toEqual([1, 2]);
  });

  it('reads limits as numbers of the file and as digits of the environment and flags', async () => {
    const config = await loadAgentConfig({
      file: await file('keepalive-ms = 100\nsilence-ms = 300'),
      environment: { DROVER_STALL_MS: '700' },
      flags: { 'connect-ms': '900' },
    });
    expect(config).toMatchObject({
      ...{ 'keepalive-ms': 100, 'silence-ms': 300, 'stall-ms': 700, 'connect-ms': 900 },
      ...{ 'prepare-ms': 60_000, 'switchover-ms': 30_000, 'retry-ms': 5_000 },
    });
  });

  it.each([
    [
      'a control plane that is no URL',
      'control-plane = "a:7600"',
      {},
      {},
      /control-plane:? is not a list of http URLs/,
    ],
    ['labels that are none', '', { DROVER_LABELS: 'rack' }, {}, /DROVER_LABELS:? is not a list of labels/],
    [
      'an unknown key of the file',
      'lisen = "a:1"',
      {},
      {},
      /agent\.toml: lisen: unknown key; known: name, state-dir/,
    ],
    [
      'an unknown variable',
      '',
      { DROVER_LISEN: 'a:1' },
      {},
      /^DROVER_LISEN: unknown variable; known: DROVER_NAME/,
    ],
    [
      'a wrong value of the file',
      'log-level = "loud"',
      {},
      {},
      /agent\.toml: log-level is not one of|log-level: is not one of/,
    ],
    [
      'a wrong value of the environment',
      '',
      { DROVER_LISTEN: 'here' },
      {},
      /^DROVER_LISTEN: is not HOST:PORT/,
    ],
    ['a wrong value of a flag', '', {}, { listen: 'h:70000' }, /^--listen: is not HOST:PORT/],
    [
      'no list of versions',
      '',
      {},
      { 'peer-versions': '1-2' },
      /^--peer-versions: is not a list of versions/,
    ],
    [
      'a limit that is no number',
      '',
      {},
      { 'stall-ms': '2s' },
      /^--stall-ms: is not a number of milliseconds/,
    ],
    [
      'a limit below 50 ms',
      'stall-ms = 1',
      {},
      {},
      /agent\.toml: stall-ms: is not a number of milliseconds from 50/,
    ],
    ['a relative directory', '', {}, { 'state-dir': 'x' }, /^--state-dir: is not an absolute path/],
    ['a file that is not TOML', 'name web', {}, {}, /agent\.toml is not TOML: .+ at line 1/],
  ])('refuses %s by name', async (_, text, environment, flags, sentence) => {
    const path = await file(text);
    await expect(loadAgentConfig({ file: path, environment, flags })).rejects.toMatchObject({
      code: 'cli-config-invalid',
      message: expect.stringMatching(sentence),
    });
  });

  it('refuses a wrong value even where a stronger place hides it', async () => {
    const sources = { file: await file('listen = "x"'), environment: {}, flags: { listen: 'h:1' } };
    await expect(loadAgentConfig(sources)).rejects.toMatchObject({ code: 'cli-config-invalid' });
  });

  it('leaves the variables of other commands alone', async () => {
    const environment = { DROVER_AGENT: 'http://h:1', DROVER_NATIVE_DIR: '/x', DROVER_E2E_KEEP: '1' };
    expect(await loadAgentConfig({ ...nothing, environment })).toHaveProperty('listen');
  });

  it('has one variable for each key', () => {
    const names = agentConfigKeys.map(environmentName);
    expect(new Set(names).size).toBe(agentConfigKeys.length);
    expect(names).toContain('DROVER_PEER_LISTEN');
  });

  it('names the file that cannot be read', async () => {
    await expect(loadAgentConfig({ ...nothing, file: '/nonexistent.toml' })).rejects.toMatchObject({
      code: 'cli-file-unreadable',
      message: expect.stringContaining('/nonexistent.toml'),
    });
  });
});
