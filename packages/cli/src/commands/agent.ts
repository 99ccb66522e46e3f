import type { Command } from 'commander';
import type { AgentFlags } from '../agent/run.js';
import type { CommandContext } from '../context.js';
import { withExamples } from './options.js';

export function addAgentCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('agent')
    .description(
      'Run the host agent of this node until SIGTERM or SIGINT. Guests go on when it stops.\n' +
        'Prints one line of JSON on standard output once it is ready; logs go to standard error as JSON lines.',
    )
    .option('--config <file>', 'TOML file; the environment (DROVER_*) and then the flags below are stronger')
    .option('--name <name>', 'what people call this host')
    .option('--state-dir <directory>', 'instances, ownership journal, logs')
    .option('--run-dir <directory>', 'sockets of running VMMs; must be short')
    .option('--listen <host:port>', 'where the agent API listens')
    .option('--peer-listen <host:port>', 'where other agents connect to move guests here')
    .option('--peer-advertise <host>', 'name or address that other agents shall use instead')
    .option('--peer-versions <list>', 'versions of the peer protocol to speak, e.g. 1; default: all it knows')
    .option('--qemu-binary <path>', 'QEMU to start guests with')
    .option('--keepalive-ms <ms>', 'a sign of life to a peer after this long')
    .option('--silence-ms <ms>', 'a peer without one for this long is gone')
    .option('--stall-ms <ms>', 'a transfer without progress for this long is stalled')
    .option('--connect-ms <ms>', 'to reach a peer, and for its first words')
    .option('--prepare-ms <ms>', 'for a destination to make a VMM')
    .option('--switchover-ms <ms>', 'for each answer that a paused guest waits for')
    .option('--retry-ms <ms>', 'longest wait between questions about an unknown outcome')
    .option('--control-plane <urls>', 'the control plane to register with; several replicas with commas')
    .option('--agent-url <url>', 'this agent as the control plane reaches it; default: where it listens')
    .option('--labels <list>', 'what placement may ask for, such as rack=7,ssd=yes')
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent')
    .action(async (flags: AgentFlags) => {
      // The agent brings the server and the native addon, which no other command shall wait for.
      const { runAgent } = await import('../agent/run.js');
      await runAgent(flags, context);
    });
  withExamples(
    command,
    'drover agent --config /etc/drover/agent.toml',
    'drover agent --name a --control-plane http://10.0.0.1:7600 --listen 10.0.0.2:7700 --labels rack=7',
    'drover agent --name a --state-dir /tmp/a --run-dir /run/a --listen 127.0.0.1:7700 --peer-listen 127.0.0.1:7701',
  );
}
