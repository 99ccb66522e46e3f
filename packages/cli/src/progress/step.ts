import type { FleetMigration } from '@drover/protocol';

/** What the control plane is at with a migration of which no agent has told anything yet. */
export function describeStep({ state, steps, cancelRequested }: FleetMigration): string {
  const step = steps.find((one) => one.state === 'running') ?? steps.find((one) => one.state === 'waiting');
  const what = state === 'waiting' || step === undefined ? 'waiting for its turn' : step.name;
  const again = step !== undefined && step.attempts > 1 ? `, try ${step.attempts}` : '';
  return `${what}${again}${cancelRequested ? ', to be cancelled' : ''}`;
}
