import type { Command } from 'commander';
import type { CommandContext } from '../context.js';
import type { ControlPlaneFlags } from '../control-plane/run.js';
import { withExamples } from './options.js';

export function addControlPlaneCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('control-plane')
    .description(
      'Run a control plane until SIGTERM or SIGINT. Guests, and the agents that run them, go on when it stops.\n' +
        'Prints one line of JSON on standard output once it is ready; logs go to standard error as JSON lines.',
    )
    .option('--config <file>', 'TOML file; the environment (DROVER_*) and then the flags below are stronger')
    .option('--listen <host:port>', 'where the public API listens, and agents register')
    .option('--database <url>', 'pglite:DIR for one replica, postgres://… for any number')
    .option('--database-connections <n>', 'connections to the database, at most')
    .option('--watch-period-ms <ms>', 'how often every host is asked for everything')
    .option('--heartbeat-ms <ms>', 'how often a host shall say that it lives')
    .option('--fence-command <json>', 'switches an unreachable host off for good: ["program", "argument"]')
    .option('--fence-after-ms <ms>', 'how long a host must have been unreachable before that')
    .option('--migrations-out <n>', 'migrations at once out of one host (default: 8)')
    .option('--migrations-in <n>', 'migrations at once into one host (default: 8)')
    .option('--migrations-overall <n>', 'migrations at once over the fleet (default: 256)')
    .option('--host-bandwidth <rate>', 'of each host, over its migrations, such as 1Gbit; default: no limit')
    .option('--cpu-overcommit <n>', 'virtual processors for each that a host has (default: 8)')
    .option('--memory-overcommit <n>', 'memory of guests for each byte that a host has (default: 1)')
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent')
    .action(async (flags: ControlPlaneFlags) => {
      // The control plane brings its server and its database, which no other command shall wait for.
      const { runControlPlane } = await import('../control-plane/run.js');
      await runControlPlane(flags, context);
    });
  withExamples(
    command,
    'drover control-plane --config /etc/drover/control-plane.toml',
    'drover control-plane --listen 127.0.0.1:7600 --database pglite:/var/lib/drover-control-plane',
    'drover control-plane --database postgres://drover@db/drover',
  );
}
