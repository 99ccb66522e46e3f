import {
  DOCUMENT_LIMITS,
  type InstanceSpec,
  type InstanceSpecInput,
  isEnvelope,
  parseStrictJson,
  readInstanceSpec,
  writeInstanceSpec,
} from '@drover/types';
import { parse as parseToml, TomlError } from 'smol-toml';
import { cliErrors } from './errors.js';
import { readInputFile, titleOf } from './input-file.js';

/**
 * Reads an instance spec from a file, or from `stdin` for `-`: JSON, as an envelope {schema, version, body} or as a bare body, or
 * TOML, as a bare body. A bare body is of the latest version.
 *
 * Errors: `cli-file-unreadable`, `cli-spec-malformed`, and those of {@link readInstanceSpec}.
 */
export async function readInstanceSpecFile(
  path: string,
  stdin: NodeJS.ReadableStream,
): Promise<InstanceSpec> {
  const title = titleOf(path);
  return parseInstanceSpec(textOf(await readInputFile(path, stdin), title), title);
}

function textOf(bytes: Uint8Array, title: string): string {
  if (bytes.length > DOCUMENT_LIMITS.maxBytes) {
    throw cliErrors.error(
      'cli-spec-malformed',
      `The spec in ${title} is larger than ${DOCUMENT_LIMITS.maxBytes} bytes.`,
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw cliErrors.error('cli-spec-malformed', `The spec in ${title} is not a text in UTF-8.`, cause);
  }
}

function parseInstanceSpec(text: string, title: string): InstanceSpec {
  // A TOML document never begins with a brace, and a JSON spec always does.
  const document = text.trimStart().startsWith('{') ? fromJson(text, title) : fromToml(text, title);
  if (isEnvelope(document)) return readInstanceSpec(document);
  return readInstanceSpec(writeInstanceSpec(document as InstanceSpecInput));
}

function fromJson(text: string, title: string): unknown {
  const json = parseStrictJson(text);
  if (json.ok) return json.value;
  throw cliErrors.error('cli-spec-malformed', `The spec in ${title} ${json.message}.`);
}

function fromToml(text: string, title: string): unknown {
  try {
    return plainTables(parseToml(text));
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const reason = cause.message.split('\n')[0] ?? '';
    throw cliErrors.error(
      'cli-spec-malformed',
      `The spec in ${title} is neither JSON nor TOML: ${reason}, at line ${cause.line}.`,
      cause,
    );
  }
}

/** TOML tables as plain objects, which is what documents are made of; dates have no place in a spec and become text. */
function plainTables(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plainTables);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plainTables(part)]));
}
