import { checkShape } from '@drover/types';
import type { z } from 'zod';
import { environmentName, readEnvironment } from './environment.js';
import { invalidConfig, readTomlFile } from './toml-file.js';

/** Where the parts of a configuration come from, weakest first: file, environment, flags. */
export interface ConfigSources {
  readonly file: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By configuration key; undefined where the flag was not given. */
  readonly flags: Readonly<Record<string, string | undefined>>;
}

/** An object's schema, of which the keys are known. */
type ConfigSchema<T> = z.ZodType<T> & { readonly shape: object };

/**
 * The configuration of a daemon. Each place is checked by itself, so that a wrong value is reported where it was written, even where
 * a stronger place would have hidden it. `otherKeys`: those of the other daemon, whose variables are left alone. Errors:
 * `cli-file-unreadable`, `cli-config-invalid`.
 */
export async function loadConfig<T>(
  schema: ConfigSchema<T>,
  otherKeys: readonly string[],
  { file, environment, flags }: ConfigSources,
): Promise<T> {
  const keys = Object.keys(schema.shape);
  const fromFile = file === undefined ? {} : await readTomlFile(file);
  const fromEnvironment = readEnvironment(environment, keys, otherKeys);
  const [unknown] = fromEnvironment.unknown;
  if (unknown !== undefined) {
    throw invalidConfig(`${unknown}: unknown variable; known: ${keys.map(environmentName).join(', ')}`);
  }
  const fromFlags = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  checkConfig(schema, fromFile, (key) => `${file}: ${key}`);
  checkConfig(schema, fromEnvironment.values, environmentName);
  checkConfig(schema, fromFlags, (key) => `--${key}`);
  return checkConfig(schema, { ...fromFile, ...fromEnvironment.values, ...fromFlags }, (key) => key);
}

/** `nameIn` says what a key is called in the place that is checked. Errors: `cli-config-invalid`. */
export function checkConfig<T>(schema: z.ZodType<T>, values: object, nameIn: (key: string) => string): T {
  const shape = checkShape(schema, values, ROOT);
  if (shape.ok) return shape.value;
  throw invalidConfig(shape.sentence.replace(/^config\.([\w-]+)/, (_, key: string) => nameIn(key)));
}

const ROOT = 'config';
