/** The monitor commands that are asked for an answer, with the parts of the answer that are used. */
import { z } from 'zod';
import { vmmErrors } from '../errors.js';
import type { QmpClient, QmpWait } from './client.js';

const statusReply = z.object({ status: z.string() });
const migrateReply = z.object({
  status: z.string().optional(),
  'error-desc': z.string().optional(),
  'blocked-reasons': z.array(z.string()).optional(),
});
const machinesReply = z.array(
  z.object({ name: z.string(), alias: z.string().optional(), 'cpu-max': z.int() }),
);
const cpuModelsReply = z.array(z.object({ name: z.string() }));
const capabilitiesReply = z.array(z.object({ capability: z.string(), state: z.boolean() }));

async function ask<T>(qmp: QmpClient, command: string, schema: z.ZodType<T>, wait?: QmpWait): Promise<T> {
  const parsed = schema.safeParse(await qmp.execute(command, undefined, wait));
  if (parsed.success) return parsed.data;
  throw vmmErrors.error(
    'qmp-protocol',
    `QEMU's answer to ${command} has another form than known: ${z.prettifyError(parsed.error)}`,
  );
}

/** QEMU's run state, e.g. `running`, `paused`, `inmigrate`. */
export async function queryRunState(qmp: QmpClient, wait?: QmpWait): Promise<string> {
  return (await ask(qmp, 'query-status', statusReply, wait)).status;
}

/** Why QEMU's own last `migrate` failed, and what blocks the next. */
export async function queryMigrate(
  qmp: QmpClient,
): Promise<{ readonly error: string | null; readonly blockedReasons: readonly string[] }> {
  const reply = await ask(qmp, 'query-migrate', migrateReply);
  return { error: reply['error-desc'] ?? null, blockedReasons: reply['blocked-reasons'] ?? [] };
}

/** A machine type under its exact name. */
export interface QemuMachine {
  readonly name: string;
  readonly alias: string | null;
  readonly maxCpus: number;
}

export async function queryMachines(qmp: QmpClient): Promise<QemuMachine[]> {
  const reply = await ask(qmp, 'query-machines', machinesReply);
  return reply.map((machine) => ({
    name: machine.name,
    alias: machine.alias ?? null,
    maxCpus: machine['cpu-max'],
  }));
}

export async function queryCpuModels(qmp: QmpClient): Promise<string[]> {
  return (await ask(qmp, 'query-cpu-definitions', cpuModelsReply)).map((model) => model.name);
}

export async function queryMigrationCapabilities(qmp: QmpClient): Promise<string[]> {
  return (await ask(qmp, 'query-migrate-capabilities', capabilitiesReply)).map((entry) => entry.capability);
}

/** Switches migration capabilities on. */
export async function enableCapabilities(qmp: QmpClient, names: readonly string[]): Promise<void> {
  await qmp.execute('migrate-set-capabilities', {
    capabilities: names.map((capability) => ({ capability, state: true })),
  });
}
