import type { CommandContext } from '../context.js';

/** What a command has to say: to a program, and to a person. */
export interface Printed {
  readonly document: unknown;
  /** Ends with a newline, or is empty. */
  readonly text: string;
}

/** One document on one line with `--json`, otherwise the text. */
export function print(
  { stdout }: CommandContext,
  options: { readonly json?: boolean },
  { document, text }: Printed,
): void {
  stdout.write(options.json ? `${JSON.stringify(document)}\n` : text);
}
