import type { FleetEvent, FleetInstance } from '@drover/protocol';
import { describe, expect, it } from 'vitest';
import { ExitCode } from '../src/exit-codes.js';
import { controlPlaneOfTest } from './support/fake-control-plane.js';
import { AT, events, fleetInstance, hostView } from './support/fleet-documents.js';
import { run, startInProcess } from './support/run-in-process.js';
import { Screen } from './support/screen.js';

/** One answer after the other; the last one for ever. */
function inTurn(...pages: readonly (readonly unknown[])[]) {
  let next = 0;
  return () => ({ items: pages[Math.min(next++, pages.length - 1)], nextCursor: null });
}

const instanceEvent: FleetEvent = { kind: 'instance', at: AT, instance: fleetInstance };
const stopped: FleetInstance = {
  ...fleetInstance,
  vmm: fleetInstance.vmm && {
    ...fleetInstance.vmm,
    state: { ...fleetInstance.vmm.state, life: 'stopped' },
  },
};
const seenLater: FleetInstance = {
  ...fleetInstance,
  vmm: fleetInstance.vmm && { ...fleetInstance.vmm, seenAt: '2026-01-01T00:01:00.000Z' },
};

describe('drover host list --watch', () => {
  it('prints the list, then what changed and what is gone, until Ctrl-C, which is its end', async () => {
    const { at, requests } = await controlPlaneOfTest({
      documents: {
        listHosts: inTurn(
          [hostView('a'), hostView('b')],
          [hostView('a', { state: 'unreachable', lastSeenAt: '2026-01-01T00:01:00.000Z' })],
        ),
      },
      events: [events.host(hostView('a', { state: 'unreachable' }))],
    });
    const running = startInProcess(['host', 'list', '--watch', '--label', 'rack=7', ...at]);
    await running.printed('listed no more');
    running.interrupt();
    const { code, stdout, stderr } = await running.finished;
    expect(stdout).toMatch(/^NAME .+\na +active .+\nb +active /);
    expect(stdout.split('\n').slice(3)).toEqual([
      'a: unreachable, shall be active',
      'the host b is listed no more',
      '',
    ]);
    expect({ code, stderr }).toEqual({ code: ExitCode.ok, stderr: '' });
    const lists = requests.filter(({ endpoint }) => endpoint === 'listHosts');
    expect(lists.map(({ query }) => query.label)).toEqual(['rack=7', 'rack=7']);
    expect(requests.find(({ endpoint }) => endpoint === 'watchEvents')?.query.kinds).toBe('host,vmm,gone');
  });

  it('draws as many hosts as the terminal has room for and counts the others', async () => {
    const hosts = Array.from({ length: 40 }, (_, index) =>
      hostView('b', { id: `44444444-4444-4444-8444-4444444444${10 + index}`, name: `host-${10 + index}` }),
    );
    const screen = new Screen(60);
    const { at } = await controlPlaneOfTest({ documents: { listHosts: inTurn(hosts) } });
    const running = startInProcess(['host', 'list', '--watch', ...at], { terminal: screen });
    await expect.poll(() => screen.text).toContain('and 19 more');
    expect(screen.text).toContain('host-30');
    expect(screen.text).not.toContain('host-31');
    expect(screen.text.split('\n').length).toBeLessThanOrEqual(24);
    running.interrupt();
    expect((await running.finished).code).toBe(ExitCode.ok);
    expect(screen.cursorShown).toBe(true);
  });

  it('fails by name where the control plane refuses', async () => {
    const { at } = await controlPlaneOfTest({
      refusals: {
        listHosts: { status: 400, code: 'request-invalid', message: 'No such label.' },
      },
    });
    const { code, stderr } = await run(['host', 'list', '--watch', ...at]);
    expect(stderr).toMatch(/No such label\. \[request-invalid\]/);
    expect(code).toBe(ExitCode.refused);
  });
});

describe('drover instance list --watch', () => {
  it('prints JSON lines of what differs by more than when it was seen', async () => {
    const { at } = await controlPlaneOfTest({
      documents: { listInstances: inTurn([fleetInstance], [seenLater], [stopped], []) },
      events: [instanceEvent],
    });
    const running = startInProcess(['instance', 'list', '--watch', '--json', ...at]);
    await running.printed('"kind":"instance"');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    running.interrupt();
    const { stdout } = await running.finished;
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([{ kind: 'instance', instance: fleetInstance }]);
  });

  it('is not for an agent, which has no events of a fleet', async () => {
    const { code, stderr } = await run(['instance', 'list', '--watch', '--agent', 'http://127.0.0.1:1']);
    expect(stderr).toMatch(/--watch is for a control plane.+\[cli-usage\]/);
    expect(code).toBe(ExitCode.usage);
  });
});
