import type { Comparison, Compatibility, CompatibilityFinding } from '@drover/types';

/** A manifest and the file that it came from. */
export interface ManifestFile {
  readonly title: string;
  readonly manifest: Compatibility;
}

/** Both sides, what they would use, each finding with its remedy below it, and the verdict for each direction. */
export function renderComparison(a: ManifestFile, b: ManifestFile, comparison: Comparison): string {
  const { agreed, findings, moves } = comparison;
  const lines = [
    `A  ${describe(a)}`,
    `B  ${describe(b)}`,
    '',
    `peer protocol ${agreed.peerProtocol ?? 'none in common'}`,
    `instance spec ${agreed.instanceSpec === null ? 'none in common' : `up to ${agreed.instanceSpec}`}`,
    `agent API ${agreed.agentApi ?? 'none in common'}`,
    ...(agreed.capabilities.length === 0 ? [] : [`capabilities ${agreed.capabilities.join(', ')}`]),
    '',
    ...findings.flatMap(describeFinding),
    ...(findings.length === 0 ? [] : ['']),
    `A → B  ${moves['a-to-b'] ? 'moves' : 'refused'}`,
    `B → A  ${moves['b-to-a'] ? 'moves' : 'refused'}`,
  ];
  return `${lines.join('\n')}\n`;
}

function describe({ title, manifest: { release, host } }: ManifestFile): string {
  return `${host === null ? '' : `${host}, `}release ${release} (${title})`;
}

const arrows = { 'a-to-b': 'A → B', 'b-to-a': 'B → A', both: 'A ↔ B' } as const;
const INDENT = ' '.repeat('refused  A → B  '.length);

function describeFinding({
  severity,
  direction,
  code,
  sentence,
  remedy,
}: CompatibilityFinding): readonly string[] {
  return [`${severity.padEnd(7)}  ${arrows[direction]}  ${sentence} [${code}]`, `${INDENT}→ ${remedy}`];
}
