/** The monitor commands whose answer is looked at. */
import { type QmpAnswer, type QmpCommandName, qmpCommands } from '@drover/protocol';
import { checkShape } from '@drover/types';
import { vmmErrors } from '../errors.js';
import type { QmpClient, QmpWait } from './client.js';

async function ask<Name extends QmpCommandName>(
  qmp: QmpClient,
  command: Name,
  wait?: QmpWait,
): Promise<QmpAnswer<Name>> {
  const answer = checkShape<unknown>(
    qmpCommands[command].answer,
    await qmp.execute(command, undefined, wait),
    'answer',
  );
  if (answer.ok) return answer.value as QmpAnswer<Name>;
  throw vmmErrors.error(
    'qmp-protocol',
    `QEMU's answer to ${command} has another form than known: ${answer.sentence}.`,
  );
}

/** QEMU's run state, e.g. `running`, `paused`, `inmigrate`. */
export async function queryRunState(qmp: QmpClient, wait?: QmpWait): Promise<string> {
  return (await ask(qmp, 'query-status', wait)).status;
}

/** Why QEMU's own last `migrate` failed, and what blocks the next. */
export async function queryMigrate(
  qmp: QmpClient,
): Promise<{ readonly error: string | null; readonly blockedReasons: readonly string[] }> {
  const reply = await ask(qmp, 'query-migrate');
  return { error: reply['error-desc'] ?? null, blockedReasons: reply['blocked-reasons'] ?? [] };
}

/** A machine type under its exact name. */
export interface QemuMachine {
  readonly name: string;
  readonly alias: string | null;
  readonly maxCpus: number;
}

export async function queryMachines(qmp: QmpClient): Promise<QemuMachine[]> {
  const reply = await ask(qmp, 'query-machines');
  return reply.map((machine) => ({
    name: machine.name,
    alias: machine.alias ?? null,
    maxCpus: machine['cpu-max'],
  }));
}

export async function queryCpuModels(qmp: QmpClient): Promise<string[]> {
  return (await ask(qmp, 'query-cpu-definitions')).map((model) => model.name);
}

export async function queryMigrationCapabilities(qmp: QmpClient): Promise<string[]> {
  return (await ask(qmp, 'query-migrate-capabilities')).map((entry) => entry.capability);
}

/** Switches migration capabilities on. */
export async function enableCapabilities(qmp: QmpClient, names: readonly string[]): Promise<void> {
  await qmp.execute('migrate-set-capabilities', {
    capabilities: names.map((capability) => ({ capability, state: true })),
  });
}
