import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import type { CommandContext } from '../src/context.js';
import { ExitCode } from '../src/exit-codes.js';
import { createProgram } from '../src/program.js';
import { runCommand } from '../src/run-command.js';

function contextInto(written: { stdout: string; stderr: string; code: ExitCode }): CommandContext {
  return {
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    stdin: process.stdin,
    environment: {},
    onInterrupt: () => () => undefined,
    exitWith: (code) => {
      written.code = code;
    },
  };
}

async function run(...args: readonly string[]) {
  const written = { stdout: '', stderr: '', code: ExitCode.ok as ExitCode };
  await runCommand(args, contextInto(written));
  return written;
}

function leaves(command: Command, path: readonly string[] = []): (readonly string[])[] {
  if (command.commands.length === 0) return [path];
  return command.commands.flatMap((child) => leaves(child, [...path, child.name()]));
}

const program = createProgram(contextInto({ stdout: '', stderr: '', code: ExitCode.ok }));

describe('help', () => {
  it.each(leaves(program).map((path) => [path.join(' ')]))(
    'of "drover %s" has an example and exits 0',
    async (path) => {
      const { stdout, stderr, code } = await run(...path.split(' '), '--help');
      expect(stdout).toContain('Examples:\n  ');
      expect(stdout).toContain(`drover ${path}`);
      expect(stderr).toBe('');
      expect(code).toBe(ExitCode.ok);
    },
  );

  it('documents every exit code', async () => {
    const { stdout } = await run('--help');
    for (const code of Object.values(ExitCode)) expect(stdout).toMatch(new RegExp(`^  ${code}  `, 'm'));
  });

  it.each([
    ['no command', []],
    ['a group without a command', ['instance']],
  ])('is printed for %s, which is a usage error', async (_, args) => {
    const { stderr, code } = await run(...args);
    expect(stderr).toContain('Usage: drover');
    expect(code).toBe(ExitCode.usage);
  });

  it('suggests the command that was meant', async () => {
    const { stderr, code } = await run('instanse');
    expect(stderr).toBe("drover: unknown command 'instanse' (Did you mean instance?) [cli-usage]\n");
    expect(code).toBe(ExitCode.usage);
  });

  it('is not mixed into the JSON of a failed command', async () => {
    const { stdout, code } = await run('instance', 'show', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'cli-usage' } });
    expect(code).toBe(ExitCode.usage);
  });
});
