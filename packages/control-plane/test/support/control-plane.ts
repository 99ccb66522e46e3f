/** A real control plane over real HTTP, beside simulated agents. */
import type { FleetInstance, FleetVmm, HostView } from '@drover/protocol';
import { type InstanceSpecInput, instanceSpecSchema, writeInstanceSpec } from '@drover/types';
import { expect, onTestFinished } from 'vitest';
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from '../../src/index.js';
import { FakeFleet, type FakeHost, type FakeHostOptions } from '../../src/testing/index.js';
import { outsideContract } from './contract.js';
import { anyDatabase, silent, type TestDatabase } from './databases.js';

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export interface TestPlane {
  readonly database: TestDatabase;
  readonly fleet: FakeFleet;
  plane: ControlPlane;
  ask<T = { error: { code: string; message: string; retryable: boolean } }>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<T>>;
  /** A simulated host that has registered and was described. */
  host(options?: FakeHostOptions): Promise<FakeHost>;
  instance(name: string): Promise<FleetInstance>;
  vmm(id: string): Promise<FleetVmm>;
  /** Another replica on the same database. */
  replica(options?: Partial<ControlPlaneOptions>): Promise<ControlPlane>;
}

export async function startTestPlane(
  options: Partial<ControlPlaneOptions> = {},
  given?: TestDatabase,
): Promise<TestPlane> {
  const database = given ?? (await anyDatabase());
  const fleet = await FakeFleet.start();
  onTestFinished(() => fleet.close());
  const start = async (more: Partial<ControlPlaneOptions> = {}) => {
    const plane = await startControlPlane(
      {
        listen: { host: '127.0.0.1', port: 0 },
        database: database.url,
        databaseConnections: 5,
        watchPeriodMs: 1_500,
        agents: { timeoutMs: 2_000 },
        shutdownTimeoutMs: 2_000,
        ...options,
        ...more,
      },
      { logger: silent, ...(database.wrap ? { wrapDatabase: database.wrap } : {}) },
    );
    onTestFinished(() => plane.close());
    return plane;
  };
  const plane = await start();
  fleet.controlPlane = plane.url;
  const test: TestPlane = {
    database,
    fleet,
    plane,
    async ask(method, path, body, headers = {}) {
      const response = await fetch(`${test.plane.url}${path}`, {
        method,
        headers: {
          'api-version': '1.0.0',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      const answer = text === '' ? null : parse(text);
      if (method === 'GET' && response.ok) expect(outsideContract(path, answer)).toBe(null);
      return { status: response.status, headers: response.headers, body: answer } as never;
    },
    async host(hostOptions = {}) {
      const host = fleet.addHost(hostOptions);
      expect((await host.register()).status).toBe(200);
      await until(async () => {
        const { body } = await test.ask<HostView>('GET', `/hosts/${host.id}`);
        return body.description !== null;
      });
      return host;
    },
    async instance(name) {
      const { status, body } = await test.ask<FleetInstance>('GET', `/instances/${name}`);
      expect(status, JSON.stringify(body)).toBe(200);
      return body;
    },
    async vmm(id) {
      const { status, body } = await test.ask<FleetVmm>('GET', `/vmms/${id}`);
      expect(status, JSON.stringify(body)).toBe(200);
      return body;
    },
    replica: start,
  };
  return test;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Waits for what takes its time; fails after `ms`. */
export async function until(condition: () => Promise<boolean> | boolean, ms = 15_000): Promise<void> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > ms)
      throw new Error(`it did not come about within ${ms} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function fullSpec(name: string, change: Partial<InstanceSpecInput> = {}) {
  return instanceSpecSchema.parse({
    name,
    cpus: 1,
    memoryMiB: 512,
    boot: { from: 'kernel', kernel: '/boot/vmlinuz' },
    ...change,
  });
}

/** A spec in its envelope, as a person would send it. */
export function spec(name: string, change: Partial<InstanceSpecInput> = {}) {
  return writeInstanceSpec(fullSpec(name, change));
}
