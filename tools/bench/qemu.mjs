import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { Watch } from './life.mjs';
import { startQemu } from './qemu-process.mjs';

/** @import { Measurement, Method } from './measurement.mjs' */
/** @import { QemuProcess } from './qemu-process.mjs' */
/** @import { Settings } from './settings.mjs' */

/** A migration that has not converged by then never will, ms. */
const MIGRATION_TIMEOUT_MS = 60_000;
const POLL_MS = 20;
/** How long post-copy lets the first pass run before it switches over, ms. */
const POSTCOPY_AFTER_MS = 500;
/** More than any link carries: only the machine shall limit, bytes a second. */
const NO_LIMIT = 100 * 2 ** 30;

/**
 * What `query-migrate` says, as far as it is looked at. Times in ms.
 */
const migrationInfo = z.looseObject({
  status: z.string(),
  'total-time': z.number().default(0),
  'setup-time': z.number().default(0),
  downtime: z.number().optional(),
  ram: z.looseObject({ normal: z.number() }).optional(),
  'error-desc': z.string().optional(),
});

/**
 * @typedef {object} QemuMode
 * @property {'precopy' | 'multifd' | 'postcopy'} name
 * @property {string} title
 * @property {readonly string[]} capabilities
 */

/**
 * QEMU's own migration, over loopback TCP as Drover's.
 *
 * @param {QemuMode['name']} name
 * @param {Settings} settings
 * @param {string} directory
 * @returns {Method}
 */
export function qemuMethod(name, settings, directory) {
  const mode = modes(settings)[name];
  let runs = 0;
  return {
    name,
    title: mode.title,
    async move(guest, signal) {
      const run = join(directory, `${name}${runs++}`);
      const watch = new Watch();
      /** @type {QemuProcess[]} */
      const processes = [];
      try {
        const source = await startQemu(guest, join(run, 's'), false);
        processes.push(source);
        await watch.begin(source.consoleSocket, signal);
        const destination = await startQemu(guest, join(run, 'd'), true);
        processes.push(destination);
        await prepare(mode, settings, source, destination);
        watch.expectAt(destination.consoleSocket);
        const moved = await migrate(mode, source, destination, signal);
        // A migration that never ended has left the guest where it was: nothing moved, so nothing is judged.
        return moved.lost === null ? { ...moved, ...(await watch.judge(signal)) } : moved;
      } finally {
        watch.end();
        await Promise.all(processes.map((process) => process.end()));
      }
    },
    close: async () => {},
  };
}

/**
 * @param {Settings} settings
 * @returns {Readonly<Record<QemuMode['name'], QemuMode>>}
 */
function modes({ channels }) {
  return {
    precopy: { name: 'precopy', title: 'QEMU precopy', capabilities: [] },
    multifd: { name: 'multifd', title: `QEMU multifd, ${channels} channels`, capabilities: ['multifd'] },
    postcopy: { name: 'postcopy', title: 'QEMU post-copy', capabilities: ['postcopy-ram'] },
  };
}

/**
 * @param {QemuMode} mode
 * @param {Settings} settings
 * @param {QemuProcess} source
 * @param {QemuProcess} destination
 */
async function prepare(mode, { channels, maxDowntimeMs }, source, destination) {
  const capabilities = mode.capabilities.map((capability) => ({ capability, state: true }));
  const multifd = mode.name === 'multifd' ? { 'multifd-channels': channels } : {};
  for (const process of [source, destination]) {
    if (capabilities.length > 0) await process.execute('migrate-set-capabilities', { capabilities });
  }
  await source.execute('migrate-set-parameters', {
    'max-bandwidth': NO_LIMIT,
    'downtime-limit': maxDowntimeMs,
    ...multifd,
  });
  if (mode.name === 'multifd') await destination.execute('migrate-set-parameters', multifd);
}

/**
 * @param {QemuMode} mode
 * @param {QemuProcess} source
 * @param {QemuProcess} destination
 * @param {AbortSignal} signal
 * @returns {Promise<Measurement>}
 */
async function migrate(mode, source, destination, signal) {
  await destination.execute('migrate-incoming', { uri: 'tcp:127.0.0.1:0' });
  const uri = await listeningUri(destination);
  const startedAt = performance.now();
  await source.execute('migrate', { uri });
  let postcopy = mode.name !== 'postcopy';
  for (;;) {
    signal.throwIfAborted();
    const elapsedMs = performance.now() - startedAt;
    const info = migrationInfo.parse(await source.execute('query-migrate'));
    if (info.status === 'completed') return completed(mode, info, elapsedMs);
    if (info.status === 'failed' || info.status === 'cancelled') {
      return unmoved(
        elapsedMs,
        `migration ${info.status}${info['error-desc'] ? `: ${info['error-desc']}` : ''}`,
      );
    }
    if (elapsedMs > MIGRATION_TIMEOUT_MS) {
      return unmoved(elapsedMs, `not converged within ${MIGRATION_TIMEOUT_MS / 1000} s`);
    }
    if (!postcopy && elapsedMs > POSTCOPY_AFTER_MS && info.status === 'active') {
      postcopy = true;
      await source.execute('migrate-start-postcopy');
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** @param {QemuProcess} destination */
async function listeningUri(destination) {
  const address = z.looseObject({ host: z.string(), port: z.string() });
  const listening = z.looseObject({ 'socket-address': z.array(address).min(1) });
  const info = listening.parse(await destination.execute('query-migrate'));
  const [{ host, port } = { host: '', port: '' }] = info['socket-address'];
  return `tcp:${host}:${port}`;
}

/**
 * @param {QemuMode} mode
 * @param {z.output<typeof migrationInfo>} info
 * @param {number} totalMs
 * @returns {Measurement}
 */
function completed(mode, info, totalMs) {
  const downtimeMs = info.downtime ?? 0;
  return {
    totalMs,
    bulkMs: mode.name === 'postcopy' ? null : info['total-time'] - info['setup-time'] - downtimeMs,
    dataBytes: (info.ram?.normal ?? 0) * 4096,
    ownDowntimeMs: info.downtime ?? null,
    downtimeMs: null,
    lost: null,
  };
}

/**
 * @param {number} totalMs
 * @param {string} why
 * @returns {Measurement}
 */
function unmoved(totalMs, why) {
  return { totalMs, bulkMs: null, dataBytes: 0, ownDowntimeMs: null, downtimeMs: null, lost: why };
}
