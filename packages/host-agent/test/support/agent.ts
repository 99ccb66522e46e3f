/** A real agent over real HTTP, on free ports, with VMMs that are objects. */
import { join } from 'node:path';
import { AgentClient } from '@drover/client';
import { type InstanceSpecInput, instanceSpecSchema, writeInstanceSpec } from '@drover/types';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { type HostAgent, type HostAgentOptions, startHostAgent } from '../../src/index.js';
import { temporaryDirectory } from './directory.js';
import { FakeDriver, FakeHost } from './fake-driver.js';

export const silent = pino({ level: 'silent' });

export interface TestAgent {
  readonly host: FakeHost;
  readonly root: string;
  agent: HostAgent;
  client: AgentClient;
  /** Stops the agent and starts another on the same directories. */
  restart(between?: () => void | Promise<void>): Promise<void>;
}

export async function startTestAgent(options: Partial<HostAgentOptions> = {}): Promise<TestAgent> {
  const root = temporaryDirectory();
  const host = new FakeHost();
  const start = () =>
    startHostAgent(optionsIn(root, options), { logger: silent, drivers: [new FakeDriver(host)] });
  const agent = await start();
  const test: TestAgent = {
    host,
    root,
    agent,
    client: new AgentClient({ url: agent.url }),
    async restart(between) {
      await test.agent.close();
      await between?.();
      test.agent = await start();
      test.client = new AgentClient({ url: test.agent.url });
    },
  };
  onTestFinished(async () => {
    await test.agent.close();
    await host.close();
  });
  return test;
}

export function optionsIn(root: string, options: Partial<HostAgentOptions> = {}): HostAgentOptions {
  return {
    name: 'north',
    stateDir: join(root, 'state'),
    runDir: join(root, 'run'),
    listen: { host: '127.0.0.1', port: 0 },
    peerListen: { host: '127.0.0.1', port: 0 },
    powerDownTimeoutMs: 1_000,
    ...options,
  };
}

/** A spec in its envelope, as a person would send it. */
export function spec(name: string, change: Partial<InstanceSpecInput> = {}) {
  return writeInstanceSpec(
    instanceSpecSchema.parse({
      name,
      cpus: 1,
      memoryMiB: 64,
      boot: { from: 'kernel', kernel: '/boot/vmlinuz' },
      components: { com1: { kind: 'serial-port', port: 'com1' } },
      ...change,
    }),
  );
}
