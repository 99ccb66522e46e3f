/**
 * Writes `docs/errors.md` from the packages' error tables; `--check` only says whether it is current. Codes are one namespace: one that two
 * services answer must mean the same in both, in status and in whether a retry can help.
 *
 *   node tools/docs/errors.mjs [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const page = join(root, 'docs', 'errors.md');

/** Each package that raises errors, and what its table is called there. */
const tables = {
  types: 'typesErrors',
  protocol: 'protocolErrors',
  vmm: 'vmmErrors',
  'source-agent': 'sourceErrors',
  'destination-agent': 'destinationErrors',
  'host-agent': 'hostAgentErrors',
  client: 'clientErrors',
  'control-plane': 'controlPlaneErrors',
  cli: 'cliErrors',
};

/** @returns {Promise<string>} the page as it must be */
export async function errorsPage() {
  const seen = new Map();
  const sections = [];
  for (const [name, table] of Object.entries(tables)) {
    const module = await import(join(root, 'packages', name, 'dist', 'index.js'));
    const rows = [];
    for (const [code, { status, retryable, summary }] of Object.entries(module[table].definitions)) {
      const meaning = `${status} ${retryable}`;
      const other = seen.get(code);
      if (other && other.meaning !== meaning) {
        throw new Error(`the code ${code} is in ${other.name} and in ${name}, and means different things`);
      }
      seen.set(code, { name, meaning });
      rows.push(`| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${summary} |`);
    }
    sections.push(
      `## ${name}\n| code | status | retry | when, and what to do |\n| --- | --- | --- | --- |\n${rows.sort().join('\n')}\n`,
    );
  }
  return `# Errors

Every error has a code that never changes, a sentence for a person, and says whether trying again, unchanged, can help. Over HTTP it is
\`{"error":{"code","message","retryable"}}\` with the status below; on the command line it ends the message in brackets. Generated from the
packages' \`errors.ts\` by \`node tools/docs/errors.mjs\`.

${sections.join('\n')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wanted = await errorsPage();
  if (!process.argv.includes('--check')) writeFileSync(page, wanted);
  else if (readFileSync(page, 'utf8') !== wanted) {
    process.stderr.write('docs/errors.md is not current; run: node tools/docs/errors.mjs\n');
    process.exitCode = 1;
  }
}
