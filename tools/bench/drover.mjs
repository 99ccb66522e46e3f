import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAgent } from '../daemons/agent-process.mjs';
import { Watch } from './life.mjs';

/** @import { AgentProcess } from '../daemons/agent-process.mjs' */
/** @import { Method } from './measurement.mjs' */
/** @import { Settings } from './settings.mjs' */

const INSTANCE = 'bench';
/** How often the destination is asked for the console of the VMM that it makes, ms. */
const CONSOLE_POLL_MS = 10;

/**
 * Drover, with two agents that stay for all runs.
 *
 * @param {Settings} settings
 * @param {string} directory
 * @returns {Promise<Method>}
 */
export async function droverMethod(settings, directory) {
  const source = await startAgent('source', join(directory, 's'));
  const destination = await startAgent('destination', join(directory, 'd')).catch(async (thrown) => {
    await source.stop();
    throw thrown;
  });
  return {
    name: 'drover',
    title: `Drover, ${settings.channels} connections`,
    async move(guest, signal) {
      const watch = new Watch();
      try {
        const { consoleSocket } = await source.client.createInstance({
          spec: { schema: 'drover.instance-spec', version: 1, body: instanceSpec(guest) },
          start: true,
        });
        if (consoleSocket === null) throw new Error('The guest has no console');
        await watch.begin(consoleSocket, signal);
        const { peer } = await destination.client.getHost();
        const startedAt = performance.now();
        const { id } = await source.client.startMigration({
          instance: INSTANCE,
          destination: peer,
          settings: { connections: settings.channels, maxDowntimeMs: settings.maxDowntimeMs },
        });
        const ended = new AbortController();
        const arrival = expectArrival(destination, watch, AbortSignal.any([signal, ended.signal]));
        const report = await reportOf(source, id, signal).finally(() => ended.abort());
        const totalMs = performance.now() - startedAt;
        await arrival;
        const [bulk] = report.rounds;
        const life = await watch.judge(signal);
        return {
          totalMs,
          bulkMs: bulk?.durationMs ?? null,
          dataBytes: (bulk?.dataPages ?? 0) * 4096,
          ownDowntimeMs: report.downtime.totalMs,
          ...life,
        };
      } finally {
        watch.end();
        await Promise.all([source, destination].map(removeInstance));
      }
    },
    async close() {
      await Promise.all([source.stop(), destination.stop()]);
    },
  };
}

/**
 * @param {import('./guest.mjs').BenchGuest} guest
 * @returns {import('@drover/types').InstanceSpecInput}
 */
function instanceSpec({ kernel, initrd, cmdline, memoryMiB }) {
  return {
    name: INSTANCE,
    cpus: 1,
    memoryMiB,
    machineType: 'q35',
    accelerator: 'tcg',
    boot: { from: 'kernel', kernel, initrd, cmdline },
    components: { console: { kind: 'serial-port', port: 'com1' } },
  };
}

/**
 * @param {AgentProcess} agent
 * @param {string} id
 * @param {AbortSignal} signal
 */
async function reportOf(agent, id, signal) {
  for await (const event of agent.client.watchMigration(id, { signal })) {
    if (event.kind !== 'ended') continue;
    const { state, report, error } = event.migration;
    if (state === 'completed' && report !== null) return report;
    throw new Error(`The migration is ${state}: ${error?.message ?? 'no reason given'}`);
  }
  throw new Error('The events of the migration ended before the migration did');
}

/**
 * @param {AgentProcess} agent
 * @param {Watch} watch
 * @param {AbortSignal} signal
 */
async function expectArrival(agent, watch, signal) {
  for (;;) {
    const view = await agent.client.getInstance(INSTANCE).catch(() => null);
    if (view?.consoleSocket) {
      watch.expectAt(view.consoleSocket);
      return;
    }
    if (signal.aborted) return;
    await sleep(CONSOLE_POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/** @param {AgentProcess} agent */
async function removeInstance(agent) {
  const instances = await agent.client.listInstances();
  for (const { id, state } of instances) {
    if (state.life !== 'stopped') await agent.client.stopInstance(id, { force: true });
    await agent.client.deleteInstance(id);
  }
}
