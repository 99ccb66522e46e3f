import { AgentClient } from '@drover/client';
import { type Command, InvalidArgumentError, Option } from 'commander';

/** Where an agent listens when nobody says otherwise. */
export const DEFAULT_AGENT_URL = 'http://127.0.0.1:7700';

/** `--json`, the same in every command. */
export function jsonOption(): Option {
  return new Option('--json', 'print JSON: one document, or one event a line');
}

/** A client of the agent that `--agent` names. The URL is checked here too, since a default skips the parser. */
export function agentClient(url: string): AgentClient {
  return new AgentClient({ url: parseAgentUrl(url) });
}

/** An http URL without a trailing slash. Throws commander's InvalidArgumentError. */
export function parseAgentUrl(text: string): string {
  return parseUrl(text, 'an agent', DEFAULT_AGENT_URL);
}

/** As {@link parseAgentUrl}. */
export function parseControlPlaneUrl(text: string): string {
  return parseUrl(text, 'a control plane', 'http://127.0.0.1:7600');
}

function parseUrl(text: string, whose: string, example: string): string {
  const problem = `"${text}" is not the http URL of ${whose}; write for example ${example}.`;
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

/** A parser of `key=value` that adds to those before. Throws commander's InvalidArgumentError. */
export function parseLabel(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) {
    throw new InvalidArgumentError(`"${text}" is not a label; write for example rack=7.`);
  }
  return { ...before, [key]: value };
}

/** A parser that collects what is given several times. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
