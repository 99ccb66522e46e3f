import { AGENT_API_VERSIONS, PEER_VERSIONS } from '@drover/protocol';
import { INSTANCE_SPEC_VERSIONS, VMM_STATE_VERSIONS } from '@drover/types';
import type { Command } from 'commander';
import type { CommandContext } from '../context.js';
import { release } from '../release.js';
import { jsonOption, withExamples } from './options.js';

/** What this release is, and every version window that decides whether it works together with another one. */
export interface VersionDocument {
  readonly release: string;
  readonly accepts: {
    readonly peerProtocol: readonly number[];
    readonly instanceSpec: readonly number[];
    readonly vmmState: readonly number[];
    readonly agentApi: readonly string[];
  };
}

export function versionDocument(): VersionDocument {
  return {
    release,
    accepts: {
      peerProtocol: PEER_VERSIONS,
      instanceSpec: INSTANCE_SPEC_VERSIONS,
      vmmState: VMM_STATE_VERSIONS,
      agentApi: AGENT_API_VERSIONS,
    },
  };
}

export function addVersionCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('version')
    .description('Print the release and the versions of protocols and documents that it speaks.')
    .addOption(jsonOption())
    .action(({ json }: { json?: boolean }) => {
      const version = versionDocument();
      if (json) {
        context.stdout.write(`${JSON.stringify(version)}\n`);
        return;
      }
      const { peerProtocol, instanceSpec, vmmState, agentApi } = version.accepts;
      context.stdout.write(
        `drover ${version.release}\n` +
          `  peer protocol  ${peerProtocol.join(', ')}\n` +
          `  instance spec  ${instanceSpec.join(', ')}\n` +
          `  VMM state      ${vmmState.join(', ')}\n` +
          `  agent API      ${agentApi.join(', ')}\n`,
      );
    });
  withExamples(command, 'drover version', 'drover version --json');
}
