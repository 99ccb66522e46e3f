import { readFile } from 'node:fs/promises';
import { checkShape } from '@drover/types';
import { parse as parseToml, TomlError } from 'smol-toml';
import { cliErrors } from '../errors.js';
import { type AgentConfig, agentConfigKeys, agentConfigSchema } from './config-schema.js';
import { environmentName, readEnvironment } from './environment.js';

/** Where the parts of a configuration come from, weakest first: file, environment, flags. */
export interface ConfigSources {
  readonly file: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By configuration key; undefined where the flag was not given. */
  readonly flags: Readonly<Record<string, string | undefined>>;
}

/**
 * The configuration of an agent. Each place is checked by itself, so that a wrong value is reported where it was written, even
 * where a stronger place would have hidden it. Errors: `cli-file-unreadable`, `cli-config-invalid`.
 */
export async function loadAgentConfig({ file, environment, flags }: ConfigSources): Promise<AgentConfig> {
  const fromFile = file === undefined ? {} : await readConfigFile(file);
  const fromEnvironment = readEnvironment(environment);
  const [unknown] = fromEnvironment.unknown;
  if (unknown !== undefined) {
    const known = agentConfigKeys.map(environmentName).join(', ');
    throw invalid(`${unknown}: unknown variable; known: ${known}`);
  }
  const fromFlags = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  check(fromFile, (key) => `${file}: ${key}`);
  check(fromEnvironment.values, environmentName);
  check(fromFlags, (key) => `--${key}`);
  return check({ ...fromFile, ...fromEnvironment.values, ...fromFlags }, (key) => key);
}

/** `nameIn` says what a key is called in the place that is checked. */
function check(values: object, nameIn: (key: string) => string): AgentConfig {
  const shape = checkShape(agentConfigSchema, values, ROOT);
  if (shape.ok) return shape.value;
  throw invalid(shape.sentence.replace(/^config\.([\w-]+)/, (_, key: string) => nameIn(key)));
}

const ROOT = 'config';

async function readConfigFile(path: string): Promise<object> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw cliErrors.error(
      'cli-file-unreadable',
      `The configuration ${path} cannot be read: ${reason}.`,
      cause,
    );
  }
  try {
    return { ...parseToml(text) };
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    throw invalid(`${path} is not TOML: ${cause.message.split('\n')[0]}, at line ${cause.line}`, cause);
  }
}

function invalid(sentence: string, cause?: unknown): Error {
  return cliErrors.error('cli-config-invalid', `${sentence}.`, cause);
}
