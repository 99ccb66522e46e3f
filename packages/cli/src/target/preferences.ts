import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { checkConfig } from '../configuration/load.js';
import { readTomlFile } from '../configuration/toml-file.js';
import type { CommandContext } from '../context.js';

/** What a person sets once for all commands: whom they ask. */
const preferencesSchema = z.strictObject({
  /** URL of the control plane. */
  'control-plane': z.string().min(1).optional(),
});

export interface Preferences {
  readonly controlPlane: string | undefined;
}

/**
 * The preferences of whoever runs the command: from the file that `DROVER_CONFIG` names, or the first there is of
 * `$XDG_CONFIG_HOME/drover/config.toml` (`~/.config` by default) and `/etc/drover/config.toml`. Errors: `cli-file-unreadable`,
 * `cli-config-invalid`.
 */
export async function readPreferences({ environment }: CommandContext): Promise<Preferences> {
  const file = environment.DROVER_CONFIG || placesToLook(environment).find((path) => existsSync(path));
  if (file === undefined) return { controlPlane: undefined };
  const values = checkConfig(preferencesSchema, await readTomlFile(file), (key) => `${file}: ${key}`);
  return { controlPlane: values['control-plane'] };
}

function placesToLook(environment: CommandContext['environment']): readonly string[] {
  const { HOME: home, XDG_CONFIG_HOME: configHome } = environment;
  const own = configHome || (home ? join(home, '.config') : undefined);
  return [...(own === undefined ? [] : [own]), '/etc'].map((directory) =>
    join(directory, 'drover', 'config.toml'),
  );
}
