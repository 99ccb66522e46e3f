import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { INSTANCE_SPEC_VERSIONS, writeInstanceSpec } from '@drover/types';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { spec } from './support/documents.js';
import { type FakeAgent, type FakeAgentScript, startFakeAgent } from './support/fake-agent.js';
import { drover, startDrover } from './support/run-drover.js';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'drover-cli-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const agents: FakeAgent[] = [];
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.close()));
});

async function agent(script: FakeAgentScript = {}): Promise<FakeAgent> {
  const started = await startFakeAgent(script);
  agents.push(started);
  return started;
}

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

const toml = `
name = "web-1"
cpus = 1
memoryMiB = 64
[boot]
from = "kernel"
kernel = "/boot/guest.elf"
`;

describe('drover instance create', () => {
  const version = INSTANCE_SPEC_VERSIONS.at(-1);
  const sent = { spec: { schema: 'drover.instance-spec', version, body: spec }, start: true };

  it.each([
    ['a TOML file', 'spec.toml', toml],
    ['a bare JSON body', 'bare.json', JSON.stringify(spec)],
    [
      'a JSON envelope',
      'envelope.json',
      JSON.stringify({ schema: 'drover.instance-spec', version, body: spec }),
    ],
    ['a JSON envelope of an old version', 'old.json', JSON.stringify(writeInstanceSpec(spec, [1]))],
  ])('sends %s in an envelope of the latest version', async (_, name, text) => {
    const { url, requests } = await agent();
    const { code, stdout } = await drover([
      'instance',
      'create',
      await file(name, text),
      '--start',
      '--agent',
      url,
    ]);
    expect(code).toBe(0);
    expect(requests).toMatchObject([{ endpoint: 'createInstance', body: sent }]);
    expect(stdout).toContain('accelerator  tcg (there is no /dev/kvm)');
  });

  it('reads standard input for -, and DROVER_AGENT where no --agent is given', async () => {
    const { url, requests } = await agent();
    const { code } = await drover(['instance', 'create', '-', '--start'], {
      input: toml,
      environment: { DROVER_AGENT: url },
    });
    expect(code).toBe(0);
    expect(requests[0]?.body).toEqual(sent);
  });

  it.each([
    ['an unknown key', `modle = 1\n${toml}`, /spec\.modle: unknown key; known: .*\[spec-invalid\]/],
    ['a version that nobody knows', '{"schema":"drover.instance-spec","version":9,"body":{}}', /version 9/],
    ['a key that comes twice', '{"name":"a","name":"b"}', /"name" twice.*\[cli-spec-malformed\]/],
    ['text that is neither JSON nor TOML', 'name: web-1', /neither JSON nor TOML.*\[cli-spec-malformed\]/],
  ])('refuses %s in one sentence with exit code 2, and asks nobody (R7)', async (_, text, sentence) => {
    const { url, requests } = await agent();
    const { code, stderr } = await drover(['instance', 'create', '-', '--agent', url], { input: text });
    expect(stderr).toMatch(sentence);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(code).toBe(2);
    expect(requests).toEqual([]);
  });

  it.each([
    ['that never ends', () => '/dev/zero', /larger than 1048576 bytes.*\[cli-spec-malformed\]/],
    [
      'that is no text',
      () => file('latin.toml', Uint8Array.of(0x6e, 0xe9)),
      /not a text in UTF-8.*\[cli-spec-malformed\]/,
    ],
  ])('refuses a file %s (R6)', async (_, path, sentence) => {
    const { code, stderr } = await drover(['instance', 'create', await path()]);
    expect(code).toBe(2);
    expect(stderr).toMatch(sentence);
  });

  it('names the file that it cannot read', async () => {
    const { code, stderr } = await drover(['instance', 'create', '/nonexistent/spec.toml']);
    expect(code).toBe(2);
    expect(stderr).toContain('/nonexistent/spec.toml');
    expect(stderr).toContain('[cli-file-unreadable]');
  });

  it('prints a refusal of the agent as {"error":…} with --json and exits 3', async () => {
    const { url } = await agent({
      refusals: { createInstance: { status: 409, code: 'instance-name-taken', message: 'web-1 exists.' } },
    });
    const { code, stdout } = await drover(['instance', 'create', '-', '--json', '--agent', url], {
      input: toml,
    });
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'instance-name-taken', message: 'web-1 exists.', retryable: false },
    });
  });
});

describe('drover instance', () => {
  it('lists, shows, starts, stops and deletes', async () => {
    const { url, requests } = await agent();
    const at = ['--agent', url];
    expect((await drover(['instance', 'list', ...at])).stdout).toMatch(/web-1 +running +1 +64 MiB +tcg/);
    expect(JSON.parse((await drover(['instance', 'show', 'web-1', '--json', ...at])).stdout).name).toBe(
      'web-1',
    );
    expect((await drover(['instance', 'start', 'web-1', ...at])).code).toBe(0);
    expect((await drover(['instance', 'stop', 'web-1', '--force', ...at])).stdout).toContain('stopped');
    expect((await drover(['instance', 'delete', 'web-1', ...at])).stdout).toBe('web-1 deleted.\n');
    expect(requests.map(({ endpoint }) => endpoint)).toEqual([
      ...['listInstances', 'getInstance', 'startInstance', 'stopInstance', 'deleteInstance'],
    ]);
    expect(requests[3]?.body).toEqual({ force: true });
  });

  it('prints the log, and with --follow what is added to it, once', async () => {
    const { url } = await agent({ log: (reads) => `line 0\n${reads > 1 ? 'line 1\n' : ''}` });
    expect((await drover(['instance', 'log', 'web-1', '--agent', url])).stdout).toBe('line 0\n');
    const running = startDrover(['instance', 'log', 'web-1', '--follow', '--agent', url]);
    await running.printed('line 1');
    running.child.kill('SIGINT');
    expect(await running.finished).toMatchObject({ code: 0, stdout: 'line 0\nline 1\n' });
  });

  it('joins its streams to the console until Ctrl-]', async () => {
    const { url } = await agent({
      onConsole(socket) {
        socket.send('login: ');
        socket.on('message', (typed: Buffer) => socket.send(`<${typed.toString()}>`));
      },
    });
    const running = startDrover(['instance', 'console', 'web-1', '--agent', url]);
    await running.printed('login: ');
    running.child.stdin?.write('root');
    await running.printed('<root>');
    running.child.stdin?.write('bye\u001dnever sent');
    const { code, stdout } = await running.finished;
    expect(code).toBe(0);
    expect(stdout).not.toContain('never');
  });

  it('says why the agent does not open a console', async () => {
    const { url } = await agent({
      refusals: { openConsole: { status: 409, code: 'console-unavailable', message: 'web-1 is stopped.' } },
    });
    const { code, stderr } = await drover(['instance', 'console', 'web-1', '--agent', url]);
    expect(code).toBe(3);
    expect(stderr).toBe('drover: web-1 is stopped. [console-unavailable]\n');
  });
});
