/** Whom a command asks: a control plane, or one host agent. */
import { hostname, userInfo } from 'node:os';
import { AgentClient, ControlPlaneClient } from '@drover/client';
import { type Command, Option } from 'commander';
import { parseAgentUrl, parseControlPlaneUrl } from '../commands/options.js';
import type { CommandContext } from '../context.js';
import { cliErrors } from '../errors.js';
import { readPreferences } from './preferences.js';

/** Where a control plane listens when nobody says otherwise. */
export const DEFAULT_CONTROL_PLANE_URL = 'http://127.0.0.1:7600';

/** Options as commander hands them over. */
export interface ControlPlaneOptions {
  readonly controlPlane?: string;
  readonly json?: boolean;
}
export interface TargetOptions extends ControlPlaneOptions {
  readonly agent?: string;
}

export type Target =
  | { readonly kind: 'control-plane'; readonly client: ControlPlaneClient }
  | { readonly kind: 'agent'; readonly client: AgentClient };

export function controlPlaneOption(): Option {
  return new Option(
    '--control-plane <url>',
    `the control plane to ask (environment: DROVER_CONTROL_PLANE; default: ${DEFAULT_CONTROL_PLANE_URL})`,
  ).argParser(parseControlPlaneUrl);
}

/** Adds `--control-plane` and `--agent`. */
export function withTarget(command: Command): Command {
  return command
    .addOption(controlPlaneOption())
    .addOption(
      new Option('--agent <url>', 'ask this host agent directly instead (environment: DROVER_AGENT)')
        .argParser(parseAgentUrl)
        .conflicts('controlPlane'),
    );
}

/**
 * What the flags say; otherwise the environment, in which a control plane goes before an agent; otherwise the preferences; otherwise the
 * control plane on this machine. Errors: those of {@link readPreferences}.
 */
export async function chooseTarget(options: TargetOptions, context: CommandContext): Promise<Target> {
  const { environment } = context;
  const agent =
    options.agent ??
    (options.controlPlane === undefined && !environment.DROVER_CONTROL_PLANE
      ? environment.DROVER_AGENT
      : undefined);
  if (agent) return { kind: 'agent', client: new AgentClient({ url: parseAgentUrl(agent) }) };
  return { kind: 'control-plane', client: await controlPlaneClient(options, context) };
}

/** A client of the control plane, for commands that ask nobody else. */
export async function controlPlaneClient(
  { controlPlane }: ControlPlaneOptions,
  context: CommandContext,
): Promise<ControlPlaneClient> {
  const url =
    controlPlane ??
    // Agents take a list of replicas from the same variable; a command asks the first.
    (context.environment.DROVER_CONTROL_PLANE?.split(',')[0] ||
      (await readPreferences(context)).controlPlane ||
      DEFAULT_CONTROL_PLANE_URL);
  return new ControlPlaneClient({ url: parseControlPlaneUrl(url), actor: actor() });
}

/**
 * Refuses, before anybody is asked, options that an agent has no answer to. Errors: `cli-usage`.
 */
export function refuseForAgent(
  options: Readonly<Record<string, unknown>>,
  ...flags: readonly string[]
): void {
  const given = flags.find((flag) => options[optionKey(flag)] !== undefined);
  if (given === undefined) return;
  throw cliErrors.error('cli-usage', `${given} is for a control plane; an agent knows one host alone.`);
}

/** `--anti-affinity` → `antiAffinity`, as commander has it. */
function optionKey(flag: string): string {
  return flag.replace(/^--/, '').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** For the audit trail. */
function actor(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A user id without a name, as containers have it.
    return `${process.getuid?.() ?? 'unknown'}@${hostname()}`;
  }
}
