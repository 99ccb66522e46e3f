import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { removeInstances, startTwoHosts, type TwoHosts } from './two-hosts.js';

/**
 * Two hosts for all tests of the suite or file that calls it. After each test their instances are removed, and then nothing may be
 * left of them (R12).
 */
export function useTwoHosts(): TwoHosts {
  let hosts: TwoHosts | null = null;
  const started = (): TwoHosts => {
    if (hosts === null) throw new Error('the hosts are there only while a test runs');
    return hosts;
  };
  beforeAll(async () => {
    hosts = await startTwoHosts();
  });
  afterEach(async () => {
    const { a, b, leftovers } = started();
    await Promise.all([a, b].map(removeInstances));
    expect(leftovers()).toEqual([]);
  });
  afterAll(async () => {
    await hosts?.close();
  });
  return {
    get a() {
      return started().a;
    },
    get b() {
      return started().b;
    },
    get topology() {
      return started().topology;
    },
    close: () => started().close(),
    leftovers: () => started().leftovers(),
    strays: (vmms) => started().strays(vmms),
  };
}
