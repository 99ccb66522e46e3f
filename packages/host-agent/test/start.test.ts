import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startHostAgent } from '../src/index.js';
import { optionsIn, silent, startTestAgent } from './support/agent.js';
import { temporaryDirectory } from './support/directory.js';
import { FakeDriver, FakeHost } from './support/fake-driver.js';

async function takenPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const surroundings = { logger: silent, drivers: [new FakeDriver(new FakeHost())] };

describe('an agent that cannot start', () => {
  it('says whose port is taken, and lets go of everything it had', async () => {
    const root = temporaryDirectory();
    const port = await takenPort();
    const cases = [
      [
        { listen: { host: '127.0.0.1', port } },
        /^The agent cannot listen for the API on 127\.0\.0\.1:\d+: another process does/,
      ],
      [
        { peerListen: { host: '127.0.0.1', port } },
        /^The agent cannot listen for peers on 127\.0\.0\.1:\d+: another process does/,
      ],
    ] as const;
    for (const [options, message] of cases) {
      await expect(startHostAgent(optionsIn(root, options), surroundings)).rejects.toMatchObject({
        code: 'listen-address-in-use',
        message: expect.stringMatching(message),
      });
    }
    await (await startHostAgent(optionsIn(root), surroundings)).close();
  });

  it('names an address that this host does not have', async () => {
    const root = temporaryDirectory();
    await expect(
      startHostAgent(optionsIn(root, { listen: { host: '192.0.2.1', port: 0 } }), surroundings),
    ).rejects.toMatchObject({ code: 'listen-failed', message: expect.stringContaining('192.0.2.1') });
    await expect(
      startHostAgent(optionsIn(root, { peerListen: { host: '192.0.2.1', port: 0 } }), surroundings),
    ).rejects.toMatchObject({ code: 'listen-failed', message: expect.stringContaining('192.0.2.1') });
  });

  it('names an option that it does not know, and one that is wrong', async () => {
    const root = temporaryDirectory();
    const misspelt = { ...optionsIn(root), stateDirr: '/x' };
    await expect(startHostAgent(misspelt, surroundings)).rejects.toMatchObject({
      code: 'agent-options-invalid',
      message: expect.stringContaining('stateDirr'),
    });
    await expect(startHostAgent(optionsIn('relative'), surroundings)).rejects.toMatchObject({
      code: 'agent-options-invalid',
      message: expect.stringMatching(/agent\.(stateDir|runDir): is not an absolute path/),
    });
  });

  it('is refused on the directory of another', async () => {
    const { root } = await startTestAgent();
    const options = optionsIn(root, { runDir: join(root, 'other') });
    await expect(startHostAgent(options, surroundings)).rejects.toMatchObject({
      code: 'state-directory-in-use',
    });
  });
});

describe('an agent that stops', () => {
  it('answers nothing any more, once, however often it is asked to', async () => {
    const test = await startTestAgent();
    await Promise.all([test.agent.close(), test.agent.close()]);
    await expect(test.client.getHost()).rejects.toMatchObject({
      code: 'agent-unreachable',
      message: expect.stringContaining(test.agent.url),
    });
  });
});
