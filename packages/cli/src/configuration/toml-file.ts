import { readFile } from 'node:fs/promises';
import { parse as parseToml, TomlError } from 'smol-toml';
import { cliErrors } from '../errors.js';

/** The tables of a TOML file. Errors: `cli-file-unreadable`, `cli-config-invalid`. */
export async function readTomlFile(path: string): Promise<object> {
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
    throw invalidConfig(`${path} is not TOML: ${cause.message.split('\n')[0]}, at line ${cause.line}`, cause);
  }
}

/** `sentence` without its full stop. */
export function invalidConfig(sentence: string, cause?: unknown): Error {
  return cliErrors.error('cli-config-invalid', `${sentence}.`, cause);
}
