import { releaseCompatibility } from '@drover/protocol';
import { type Compatibility, writeCompatibility } from '@drover/types';
import type { Command } from 'commander';
import { renderManifest } from '../compatibility/manifest.js';
import type { CommandContext } from '../context.js';
import { agentClient, jsonOption, parseAgentUrl, withExamples } from './options.js';

interface VersionOptions {
  readonly agent?: string;
  readonly json?: boolean;
}

export function addVersionCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('version')
    .description(
      'Print the release and every version of protocols and documents that it speaks; with --agent, of a\n' +
        'host, with its VMMs and the states of their devices. --json prints the compatibility manifest.',
    )
    .option('--agent <url>', 'ask this host agent instead of this command', parseAgentUrl)
    .addOption(jsonOption())
    .action(async ({ agent, json }: VersionOptions) => {
      const manifest: Compatibility =
        agent === undefined ? releaseCompatibility() : await agentClient(agent).getCompatibility();
      context.stdout.write(
        json ? `${JSON.stringify(writeCompatibility(manifest))}\n` : renderManifest(manifest),
      );
    });
  withExamples(
    command,
    'drover version',
    'drover version --json > this-release.json',
    'drover version --agent http://10.0.0.1:7700 --json > host-a.json',
  );
}
