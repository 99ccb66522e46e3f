import type { FleetPlan } from '@drover/protocol';
import { renderTable } from '../output/table.js';

type Step = FleetPlan['steps'][number];
type Move = Step['moves'][number];

/** The steps in order, each with its hosts and where their guests would go; the verdict and the notes last. */
export function renderPlan({ steps, possible, notes }: FleetPlan): string {
  const lines = steps.flatMap((step, index) => renderStep(step, index + 1));
  const verdict =
    steps.length === 0
      ? 'No host needs to be drained.'
      : possible
        ? 'Every guest has a place in every step.'
        : 'Not every guest has a place: see above.';
  return `${[...lines, verdict, ...notes.map((note) => `note: ${note}`)].join('\n')}\n`;
}

function renderStep({ hosts, moves }: Step, number: number): readonly string[] {
  const names = hosts.map(
    ({ name, release, vmms }) => `${name} (release ${release ?? 'unknown'}, ${vmms} guests)`,
  );
  const table = moves.length === 0 ? [] : renderTable(columns, moves).split('\n');
  return [`${number}. drain ${names.join(', ')}`, ...table.map((line) => `   ${line}`), ''];
}

const columns = [
  { title: 'INSTANCE', value: ({ instanceName }: Move) => instanceName },
  { title: 'FROM', value: ({ from }: Move) => from },
  { title: 'TO', value: ({ to }: Move) => to ?? '-' },
  { title: 'PROBLEM', value: ({ problem }: Move) => problem ?? '-' },
];
