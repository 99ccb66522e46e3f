import { startControlPlane } from '@drover/control-plane';
import { destination, pino } from 'pino';
import { agentConfigKeys } from '../agent/config-schema.js';
import { flagsByKey } from '../configuration/flags.js';
import { loadConfig } from '../configuration/load.js';
import { abortOnInterrupt, type CommandContext, untilAborted } from '../context.js';
import { startService } from '../service/service.js';
import {
  type ControlPlaneConfig,
  controlPlaneConfigKeys,
  controlPlaneConfigSchema,
} from './config-schema.js';

/** Flags of `drover control-plane`, by the names that commander gives them. */
export type ControlPlaneFlags = Readonly<Record<string, string | undefined>>;

/** Runs a control plane until SIGTERM or SIGINT. Errors: those of the configuration and of {@link startControlPlane}. */
export async function runControlPlane(flags: ControlPlaneFlags, context: CommandContext): Promise<void> {
  const config = await loadConfig(controlPlaneConfigSchema, agentConfigKeys, {
    file: flags.config,
    environment: context.environment,
    flags: flagsByKey(controlPlaneConfigKeys, flags),
  });
  // Synchronous, so that the last lines before an end are there to be read.
  const logger = pino({ level: config['log-level'] }, destination({ fd: 2, sync: true }));
  const { signal, release } = abortOnInterrupt(context);
  try {
    const controlPlane = await startControlPlane(controlPlaneOptions(config), { logger });
    context.stdout.write(`${JSON.stringify({ ready: true, url: controlPlane.url })}\n`);
    const service = startService(context.environment, logger);
    try {
      await untilAborted(signal);
      service.stopping();
      logger.info({ signal: String(signal.reason) }, 'stopping');
      await controlPlane.close();
    } finally {
      service.close();
    }
  } finally {
    release();
  }
}

function controlPlaneOptions(config: ControlPlaneConfig): Parameters<typeof startControlPlane>[0] {
  const connections = config['database-connections'];
  const watchPeriodMs = config['watch-period-ms'];
  const heartbeatMs = config['heartbeat-ms'];
  const command = config['fence-command'];
  const afterMs = config['fence-after-ms'];
  const perHostOut = config['migrations-out'];
  const perHostIn = config['migrations-in'];
  const overall = config['migrations-overall'];
  const bandwidthPerHost = config['host-bandwidth'];
  const cpuOvercommit = config['cpu-overcommit'];
  const memoryOvercommit = config['memory-overcommit'];
  return {
    listen: config.listen,
    placement: {
      ...(cpuOvercommit === undefined ? {} : { cpuOvercommit }),
      ...(memoryOvercommit === undefined ? {} : { memoryOvercommit }),
    },
    migrations: {
      ...(perHostOut === undefined ? {} : { perHostOut }),
      ...(perHostIn === undefined ? {} : { perHostIn }),
      ...(overall === undefined ? {} : { overall }),
      ...(bandwidthPerHost === undefined ? {} : { bandwidthPerHost }),
    },
    database: config.database,
    ...(connections === undefined ? {} : { databaseConnections: connections }),
    ...(watchPeriodMs === undefined ? {} : { watchPeriodMs }),
    ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
    ...(command === undefined ? {} : { fence: { command, ...(afterMs === undefined ? {} : { afterMs }) } }),
  };
}
