import { setFlagsFromString } from 'node:v8';
import { holdsIn, startHostAgent } from '@drover/host-agent';
import { destination, pino } from 'pino';
import { abortOnInterrupt, type CommandContext, untilAborted } from '../context.js';
import { startService } from '../service/service.js';
import { loadAgentConfig } from './config.js';
import type { AgentConfig } from './config-schema.js';

/** Flags of `drover agent` as commander hands them over. */
export interface AgentFlags {
  readonly config?: string;
  readonly name?: string;
  readonly stateDir?: string;
  readonly runDir?: string;
  readonly listen?: string;
  readonly peerListen?: string;
  readonly peerAdvertise?: string;
  readonly peerVersions?: string;
  readonly qemuBinary?: string;
  readonly keepaliveMs?: string;
  readonly silenceMs?: string;
  readonly stallMs?: string;
  readonly connectMs?: string;
  readonly prepareMs?: string;
  readonly switchoverMs?: string;
  readonly retryMs?: string;
  readonly controlPlane?: string;
  readonly agentUrl?: string;
  readonly labels?: string;
  readonly logLevel?: string;
}

/** Runs an agent until SIGTERM or SIGINT. Errors: those of the configuration and of {@link startHostAgent}. */
export async function runAgent(flags: AgentFlags, context: CommandContext): Promise<void> {
  // A switchover's code runs once in a migration, so V8 would interpret it for a long time: compiled at once, it takes about a
  // millisecond less of the downtime.
  setFlagsFromString('--always-sparkplug');
  const config = await loadAgentConfig({
    file: flags.config,
    environment: context.environment,
    flags: {
      name: flags.name,
      'state-dir': flags.stateDir,
      'run-dir': flags.runDir,
      listen: flags.listen,
      'peer-listen': flags.peerListen,
      'peer-advertise': flags.peerAdvertise,
      'peer-versions': flags.peerVersions,
      'qemu-binary': flags.qemuBinary,
      'keepalive-ms': flags.keepaliveMs,
      'silence-ms': flags.silenceMs,
      'stall-ms': flags.stallMs,
      'connect-ms': flags.connectMs,
      'prepare-ms': flags.prepareMs,
      'switchover-ms': flags.switchoverMs,
      'retry-ms': flags.retryMs,
      'control-plane': flags.controlPlane,
      'agent-url': flags.agentUrl,
      labels: flags.labels,
      'log-level': flags.logLevel,
    },
  });
  // Synchronous, so that the last lines before an end are there to be read.
  const logger = pino({ level: config['log-level'] }, destination({ fd: 2, sync: true }));
  const holds = context.environment.DROVER_TEST_HOLDS;
  const { signal, release } = abortOnInterrupt(context);
  try {
    const agent = await startHostAgent(hostAgentOptions(config), {
      logger,
      ...(holds === undefined || holds === '' ? {} : { holds: holdsIn(holds) }),
    });
    context.stdout.write(`${JSON.stringify({ ready: true, url: agent.url, peer: agent.peer })}\n`);
    const service = startService(context.environment, logger);
    try {
      await untilAborted(signal);
      service.stopping();
      logger.info({ signal: String(signal.reason) }, 'stopping; guests go on');
      await agent.close();
    } finally {
      service.close();
    }
  } finally {
    release();
  }
}

function hostAgentOptions(config: AgentConfig): Parameters<typeof startHostAgent>[0] {
  const advertise = config['peer-advertise'];
  const peerVersions = config['peer-versions'];
  const qemuBinary = config['qemu-binary'];
  return {
    name: config.name,
    stateDir: config['state-dir'],
    runDir: config['run-dir'],
    listen: config.listen,
    peerListen: { ...config['peer-listen'], ...(advertise === undefined ? {} : { advertise }) },
    ...(peerVersions === undefined ? {} : { peerVersions }),
    limits: {
      keepaliveMs: config['keepalive-ms'],
      silenceMs: config['silence-ms'],
      stallMs: config['stall-ms'],
      connectMs: config['connect-ms'],
      prepareMs: config['prepare-ms'],
      switchoverMs: config['switchover-ms'],
      retryMs: config['retry-ms'],
    },
    ...(qemuBinary === undefined ? {} : { qemuBinary }),
    ...controlPlaneOptions(config),
  };
}

function controlPlaneOptions(
  config: AgentConfig,
): Pick<Parameters<typeof startHostAgent>[0], 'controlPlane'> {
  const { 'control-plane': urls, 'agent-url': agentUrl, labels } = config;
  if (urls === undefined) return {};
  return {
    controlPlane: {
      urls,
      ...(agentUrl === undefined ? {} : { agentUrl }),
      ...(labels === undefined ? {} : { labels }),
    },
  };
}
