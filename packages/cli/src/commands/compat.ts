import {
  type Compatibility,
  compareCompatibility,
  DroverError,
  readCompatibility,
  typesErrors,
} from '@drover/types';
import { type Command, InvalidArgumentError } from 'commander';
import { type ManifestFile, renderComparison } from '../compatibility/comparison.js';
import type { CommandContext } from '../context.js';
import { ExitCode } from '../exit-codes.js';
import { readInputFile, titleOf } from '../input-file.js';
import { jsonOption, withExamples } from './options.js';

export function addCompatCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('compat')
    .description(
      'Compare two compatibility manifests, of releases or of hosts, and say what could move between them\n' +
        'and why not. Exits 0 where both directions move and 3 where one is refused.',
    )
    .argument('<a>', 'manifest, as "drover version --json" prints it; - reads standard input')
    .argument('<b>', 'the other one')
    .addOption(jsonOption())
    .action(async (pathA: string, pathB: string, { json }: { json?: boolean }) => {
      if (pathA === '-' && pathB === '-') {
        throw new InvalidArgumentError('only one of the two manifests can be standard input ("-")');
      }
      const a = await readManifestFile(pathA, context.stdin);
      const b = await readManifestFile(pathB, context.stdin);
      const comparison = compareCompatibility(a.manifest, b.manifest);
      context.stdout.write(json ? `${JSON.stringify(comparison)}\n` : renderComparison(a, b, comparison));
      if (!comparison.moves['a-to-b'] || !comparison.moves['b-to-a']) context.exitWith(ExitCode.refused);
    });
  withExamples(
    command,
    'drover compat host-a.json host-b.json',
    'drover version --agent http://10.0.0.1:7700 --json | drover compat - new-release.json',
    'drover compat --json old.json new.json',
  );
}

/** Errors: `cli-file-unreadable`, and those of reading a manifest with the file before the sentence. */
async function readManifestFile(path: string, stdin: NodeJS.ReadableStream): Promise<ManifestFile> {
  const bytes = await readInputFile(path, stdin);
  return { title: titleOf(path), manifest: read(titleOf(path), bytes) };
}

function read(title: string, bytes: Uint8Array): Compatibility {
  try {
    return readCompatibility(bytes);
  } catch (cause) {
    if (!(cause instanceof DroverError) || !(cause.code in typesErrors.definitions)) throw cause;
    const code = cause.code as keyof typeof typesErrors.definitions;
    throw typesErrors.error(code, `${title}: ${cause.message}`, cause);
  }
}
