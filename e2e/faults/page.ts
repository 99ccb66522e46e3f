/** The matrix as tables on the terminal, and as `docs/faults.md` when a run was whole and broke no rule. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../harness/paths.js';
import type { CellOutcome } from './cell.js';
import { FAULTS } from './faults.js';
import { DRIVERS, type Driver } from './field.js';
import { PHASES, type PhaseName } from './phases.js';

export interface MatrixRow {
  readonly driver: Driver;
  readonly phase: PhaseName;
  readonly fault: string;
  /** Null: a rule was broken. */
  readonly outcome: CellOutcome | null;
}

/** What one process ran of it. */
interface Part {
  readonly rows: readonly MatrixRow[];
  readonly tookMs: number;
}

/** Prints what this process ran; in a run that is to make the page, keeps it, and the last one to come writes the page if no rule was broken. */
export function writeMatrix(part: Part): void {
  const drivers = [...new Set(part.rows.map(({ driver }) => driver))];
  for (const driver of drivers) process.stdout.write(`\n${table(driver, part.rows)}`);
  const { DROVER_E2E_FAULTS_RUN: folder, DROVER_E2E_FAULTS_PARTS: expected } = process.env;
  if (folder === undefined) return;
  writeFileSync(join(folder, `${process.pid}.json`), JSON.stringify(part));
  const parts = readdirSync(folder).map(
    (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Part,
  );
  const rows = parts.flatMap((each) => each.rows);
  if (parts.length < Number(expected) || rows.some(({ outcome }) => outcome === null)) return;
  const tookMs = Math.max(...parts.map((each) => each.tookMs));
  writeFileSync(join(root, 'docs', 'faults.md'), matrixPage(rows, tookMs));
}

function matrixPage(rows: readonly MatrixRow[], tookMs: number): string {
  const drivers = DRIVERS.filter((name) => rows.some(({ driver }) => driver === name));
  const used = FAULTS.filter(({ name }) => rows.some(({ fault }) => fault === name));
  return `# Faults

Made by \`npm run faults\`; do not edit. Each cell is one migration between two agents on hosts of their own, held where the row says, with the
fault that the column says made there and mended. Then exactly one guest runs (or, where its VMM was killed, the instance says so), both agents say the
same, the guest finds its memory right, and nothing is left: no process, socket, guest memory or open journal entry. After that it moves again, compared by
digest. ${rows.length} cells, in ${Math.ceil(tookMs / 60_000)} minutes; all kept every rule.

**moved**: the guest runs at the destination. **stayed**: it runs at the source. **reported**: its VMM was killed and the instance says so. The number is the
longest time without a sign of life from the guest, ms, with faults of 4 s and limits of 2 to 3 s.

${legend('fault', used)}
${legend('phase', PHASES)}
${drivers.map((driver) => table(driver, rows)).join('\n')}`;
}

function legend(title: string, all: readonly { readonly name: string; readonly says: string }[]): string {
  const lines = all.map(({ name, says }) => `| ${name} | ${says} |`);
  return `| ${title} | |\n| --- | --- |\n${lines.join('\n')}\n`;
}

function table(driver: Driver, all: readonly MatrixRow[]): string {
  const rows = all.filter((row) => row.driver === driver);
  const faults = FAULTS.map(({ name }) => name).filter((name) => rows.some(({ fault }) => fault === name));
  const phases = PHASES.map(({ name }) => name).filter((name) => rows.some(({ phase }) => phase === name));
  const lines = phases.map((phase) => {
    const cells = faults.map((fault) => cell(rows.find((row) => row.phase === phase && row.fault === fault)));
    return `| ${phase} | ${cells.join(' | ')} |`;
  });
  return `## ${driver}\n\n| | ${faults.join(' | ')} |\n|${' --- |'.repeat(faults.length + 1)}\n${lines.join('\n')}\n`;
}

function cell(row: MatrixRow | undefined): string {
  if (row === undefined) return '';
  if (row.outcome === null) return '**broken**';
  const { guest, stillMs } = row.outcome;
  return stillMs === null ? guest : `${guest} ${stillMs}`;
}
