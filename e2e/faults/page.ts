/** The matrix as tables on the terminal, and as `docs/faults.md`: what was run, with every cell as it ended. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
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
  /** Which, one sentence; null when none was. */
  readonly broke: string | null;
}

/** What one process ran of it. */
interface Part {
  readonly rows: readonly MatrixRow[];
  readonly tookMs: number;
  /** False while it may run more. */
  readonly ended: boolean;
}

/** The parts of one command are named after it; the folder has those of every command on this build. */
interface Run {
  readonly folder: string;
  readonly name: string;
  /** Processes that the command started. */
  readonly parts: number;
}

/** Of a run that is to make the page; null otherwise. */
const run = ((): Run | null => {
  const { DROVER_E2E_FAULTS_KEPT: folder, DROVER_E2E_FAULTS_RUN: name = '' } = process.env;
  return folder === undefined ? null : { folder, name, parts: Number(process.env.DROVER_E2E_FAULTS_PARTS) };
})();

/** Cells that earlier commands ran on this build. A rule that was broken once is broken: no later run of the cell takes it back. */
export function keptRows(): MatrixRow[] {
  return run === null ? [] : merged(partsIn(run.folder).map(({ part }) => part));
}

/** After each cell, so that a run that is ended loses none. */
export function keepRows(part: Part): void {
  if (run === null) return;
  writeFileSync(join(run.folder, `${run.name}.${process.pid}.json`), JSON.stringify(part));
}

/** Prints what this process ran; in a run that is to make the page, keeps it, and the last one to end writes the page. */
export function writeMatrix(part: Part): void {
  const drivers = [...new Set(part.rows.map(({ driver }) => driver))];
  for (const driver of drivers)
    process.stdout.write(`\n${driver}\n${table(part.rows.filter((row) => row.driver === driver))}`);
  keepRows(part);
  if (run === null) return;
  const parts = partsIn(run.folder);
  if (parts.filter((each) => each.run === run.name && each.part.ended).length < run.parts) return;
  const path = join(root, 'docs', 'faults.md');
  writeFileSync(path, matrixPage(parts, existsSync(path) ? readFileSync(path, 'utf8') : ''));
}

interface NamedPart {
  readonly run: string;
  readonly part: Part;
}

function partsIn(folder: string): NamedPart[] {
  return readdirSync(folder)
    .toSorted()
    .map((name) => ({
      run: name.split('.')[0] ?? '',
      part: JSON.parse(readFileSync(join(folder, name), 'utf8')) as Part,
    }));
}

function merged(parts: readonly Part[]): MatrixRow[] {
  const cells = new Map<string, MatrixRow>();
  for (const row of parts.flatMap(({ rows }) => rows)) {
    const key = [row.driver, row.phase, row.fault].join();
    if (cells.get(key)?.outcome !== null) cells.set(key, row);
  }
  return [...cells.values()];
}

/** A driver's part of the page: what was run and what was not, so that nobody takes a part for the whole; what broke; every cell. */
function section(driver: Driver, parts: readonly NamedPart[]): string {
  const rows = merged(parts.map(({ part }) => part)).filter((row) => row.driver === driver);
  const took = new Map<string, number>();
  for (const { run, part } of parts) {
    if (part.rows.some((row) => row.driver === driver))
      took.set(run, Math.max(took.get(run) ?? 0, part.tookMs));
  }
  const broken = rows.filter(({ outcome }) => outcome === null);
  const kept =
    broken.length === 0
      ? 'all kept every rule'
      : `${broken.length} broke a rule and ${broken.length === 1 ? 'is' : 'are'} listed here`;
  const minutes = Math.ceil([...took.values()].reduce((sum, ms) => sum + ms, 0) / 60_000);
  const pieces = took.size === 1 ? '' : ` and ${took.size} pieces on one build`;
  const said = `${rows.length} of the ${PHASES.length * FAULTS.length} cells, in ${minutes} minutes${pieces}; ${kept}. An empty cell was not run.`;
  return `## ${driver}\n\n${said}\n\n${brokenCells(broken)}${table(rows)}`;
}

function brokenCells(broken: readonly MatrixRow[]): string {
  if (broken.length === 0) return '';
  const lines = broken.map(({ phase, fault, broke }) => `| ${phase} | ${fault} | ${broke} |`);
  return `| phase | fault | what did not hold |\n| --- | --- | --- |\n${lines.join('\n')}\n\n`;
}

/** `before`: the page as it is; what it says of drivers that were not run now stays. */
function matrixPage(parts: readonly NamedPart[], before: string): string {
  const old = before.split(/^(?=## )/m);
  const sections = DRIVERS.map((driver) => {
    if (parts.some(({ part }) => part.rows.some((row) => row.driver === driver)))
      return section(driver, parts);
    return (
      old.find((text) => text.startsWith(`## ${driver}\n`)) ?? `## ${driver}\n\nNo cell was run.\n`
    ).trimEnd();
  });
  return `# Faults

Made by \`npm run faults\`; do not edit. A driver's part is of the last run with that driver, and says how much that was. Each cell is one migration between two
agents on hosts of their own, held where the row says, with the fault that the column says made there and mended. Then exactly one guest runs (or, where its VMM
was killed, the instance says so), both agents say the same, the guest finds its memory right, and nothing is left: no process, socket, guest memory or open
journal entry. After that it moves again, compared by digest.

**moved**: the guest runs at the destination. **stayed**: it runs at the source. **reported**: its VMM was killed and the instance says so. The number is the
longest time without a sign of life from the guest, ms, with faults of 4 s and limits of 2 to 3 s. **broken**: something of this did not hold.

${legend('fault', FAULTS)}
${legend('phase', PHASES)}
${sections.map((text) => text.trimEnd()).join('\n\n')}
`;
}

function legend(title: string, all: readonly { readonly name: string; readonly says: string }[]): string {
  const lines = all.map(({ name, says }) => `| ${name} | ${says} |`);
  return `| ${title} | |\n| --- | --- |\n${lines.join('\n')}\n`;
}

function table(rows: readonly MatrixRow[]): string {
  const faults = FAULTS.map(({ name }) => name).filter((name) => rows.some(({ fault }) => fault === name));
  const phases = PHASES.map(({ name }) => name).filter((name) => rows.some(({ phase }) => phase === name));
  const lines = phases.map((phase) => {
    const cells = faults.map((fault) => cell(rows.find((row) => row.phase === phase && row.fault === fault)));
    return `| ${phase} | ${cells.join(' | ')} |`;
  });
  return `| | ${faults.join(' | ')} |\n|${' --- |'.repeat(faults.length + 1)}\n${lines.join('\n')}\n`;
}

function cell(row: MatrixRow | undefined): string {
  if (row === undefined) return '';
  if (row.outcome === null) return '**broken**';
  const { guest, stillMs } = row.outcome;
  return stillMs === null ? guest : `${guest} ${stillMs}`;
}
