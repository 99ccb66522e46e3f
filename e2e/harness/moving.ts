/** Creating guests, moving them, and asking them afterwards whether they are still right. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { InstanceView, MigrationView } from '@drover/protocol';
import { INSTANCE_SPEC_SCHEMA, type InstanceSpecInput, type MigrationSettingsInput } from '@drover/types';
import { BeatMeter } from '../../tools/beat/beat-meter.mjs';
import type { AgentProcess } from './agent-process.js';

/** A guest under test: where it is, and its beat. */
export interface Guest {
  readonly name: string;
  readonly meter: BeatMeter;
}

/** Creates and starts a guest and waits until its working set is filled. `specVersion`: the one that the spec is sent in. */
export async function startGuest(
  agent: AgentProcess,
  spec: InstanceSpecInput,
  { readyMs = 90_000, specVersion = 1 }: { readyMs?: number; specVersion?: number } = {},
): Promise<Guest> {
  const meter = new BeatMeter();
  const created = await agent.client.createInstance({
    spec: { schema: INSTANCE_SPEC_SCHEMA, version: specVersion, body: spec },
    start: true,
  });
  meter.attach(consoleOf(created));
  await meter.waitForReady({ timeoutMs: readyMs });
  await meter.waitForBeats(200, { timeoutMs: 30_000 });
  meter.reset();
  return { name: spec.name, meter };
}

export function consoleOf(view: InstanceView): string {
  if (view.consoleSocket === null)
    throw new Error(`instance ${view.name} has no console: ${JSON.stringify(view.state)}`);
  return view.consoleSocket;
}

export async function beginMove(
  guest: Guest,
  from: AgentProcess,
  to: AgentProcess,
  settings: MigrationSettingsInput = {},
): Promise<MigrationView> {
  const { peer } = await to.client.getHost();
  return from.client.startMigration({ instance: guest.name, destination: peer, settings });
}

/** Listens to the guest's console at the destination as soon as there is one. Ends with the migration. */
export async function followTo(guest: Guest, to: AgentProcess, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // It may not be running: whoever follows may have killed it.
    const view = await viewOf(guest, to).catch(() => null);
    if (view?.consoleSocket) {
      guest.meter.attach(view.consoleSocket);
      return;
    }
    await sleep(5);
  }
}

async function viewOf(guest: Guest, at: AgentProcess): Promise<InstanceView> {
  return at.client.getInstance(guest.name);
}

/** Waits for the end of a migration, whatever it is. */
export async function ended(agent: AgentProcess, id: string, timeoutMs = 120_000): Promise<MigrationView> {
  const signal = AbortSignal.timeout(timeoutMs);
  for await (const event of agent.client.watchMigration(id, { signal })) {
    if (event.kind === 'ended') return event.migration;
  }
  throw new Error(`migration ${id} did not end: ${JSON.stringify(await agent.client.getMigration(id))}`);
}

/** Moves a guest and waits for the end; the meter hears it on both sides. */
export async function move(
  guest: Guest,
  from: AgentProcess,
  to: AgentProcess,
  settings: MigrationSettingsInput = {},
  timeoutMs = 120_000,
): Promise<MigrationView> {
  const stop = new AbortController();
  const started = await beginMove(guest, from, to, settings);
  const following = followTo(guest, to, stop.signal);
  try {
    return await ended(from, started.id, timeoutMs);
  } finally {
    stop.abort();
    await following;
  }
}

/** The guest checks its whole working set now; the answer and everything the meter saw must be clean. */
export async function soundness(
  guest: Guest,
): Promise<{ bad: number; duplicates: number; alive: boolean; boots: number }> {
  await guest.meter.waitForBeats(50, { timeoutMs: 30_000 });
  const verified = await guest.meter.verify({ timeoutMs: 60_000 });
  const { bad, duplicates, alive, boots } = guest.meter.summary();
  return { bad: bad + verified.bad, duplicates, alive, boots };
}

export const sound = { bad: 0, duplicates: 0, alive: true, boots: 1 };
