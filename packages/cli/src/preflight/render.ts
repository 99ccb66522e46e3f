import type { PreflightResult } from '@drover/protocol';

type Finding = PreflightResult['findings'][number];

/** The hosts that would take the guest first, each with what it said, and the verdict last. */
export function renderPreflight(instance: string, results: readonly PreflightResult[]): string {
  if (results.length === 0) return `There is no other host that takes guests.\n`;
  const width = Math.max(...results.map(({ host }) => host.name.length));
  const sorted = results.toSorted((a, b) => Number(b.moves) - Number(a.moves));
  const lines = sorted.flatMap(({ host, moves, findings }) => [
    `${host.name.padEnd(width)}  ${moves ? 'moves' : 'refused'}`,
    ...findings.flatMap(renderFinding),
  ]);
  const count = results.filter(({ moves }) => moves).length;
  const verdict =
    count === 0
      ? `${instance} cannot move to any of them.`
      : `${instance} can move to ${count} of ${results.length}.`;
  return `${[...lines, '', verdict].join('\n')}\n`;
}

const INDENT = ' '.repeat('refused    '.length);

function renderFinding({ severity, sentence, remedy, code }: Finding): readonly string[] {
  const lines = [`  ${severity.padEnd(7)}  ${sentence} [${code}]`];
  return remedy === '' ? lines : [...lines, `${INDENT}→ ${remedy}`];
}
