import { AgentClient } from '@drover/client';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CommandContext } from '../context.js';

/** Where an agent listens when nobody says otherwise. */
export const DEFAULT_AGENT_URL = 'http://127.0.0.1:7700';

/** Options as commander hands them over. */
export interface AgentOptions {
  readonly agent: string;
  readonly json?: boolean;
}

/** `--json`, the same in every command. */
export function jsonOption(): Option {
  return new Option('--json', 'print JSON: one document, or one event a line');
}

/** `--agent URL`, from DROVER_AGENT where it is not given. */
export function agentOption(context: CommandContext): Option {
  return new Option('--agent <url>', 'the host agent to ask (environment: DROVER_AGENT)')
    .default(context.environment.DROVER_AGENT || DEFAULT_AGENT_URL)
    .argParser(parseAgentUrl);
}

/** A client of the agent that `--agent` names. The URL is checked here too, since a default skips the parser. */
export function agentClient(url: string): AgentClient {
  return new AgentClient({ url: parseAgentUrl(url) });
}

/** An http URL without a trailing slash. Throws commander's InvalidArgumentError. */
export function parseAgentUrl(text: string): string {
  const problem = `"${text}" is not the http URL of an agent; write for example ${DEFAULT_AGENT_URL}.`;
  if (!URL.canParse(text)) throw new InvalidArgumentError(problem);
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new InvalidArgumentError(problem);
  return url.href.replace(/\/+$/, '');
}

/** A parser for whole numbers between two bounds. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`"${text}" is not a whole number between ${min} and ${max}.`);
  };
}

/** A parser whose own errors become commander's, so that the sentence names the option. */
export function quantity(parse: (text: string) => number): (text: string) => number {
  return (text) => {
    try {
      return parse(text);
    } catch (thrown) {
      throw new InvalidArgumentError(thrown instanceof Error ? thrown.message : String(thrown));
    }
  };
}

/** Adds an "Examples:" section under the options. */
export function withExamples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}
