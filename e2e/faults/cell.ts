/** One cell of the matrix: a migration, held at a phase, a fault made there and mended, and then everything that must hold. */
import { existsSync, mkdirSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { InstanceView, MigrationView } from '@drover/protocol';
import type { AgentProcess } from '../harness/agent-process.js';
import { beginMove, consoleOf, followTo, type Guest, move, soundness } from '../harness/moving.js';
import type { TwoHosts } from '../harness/two-hosts.js';
import type { Fault, Scene } from './faults.js';
import { openEntries } from './journal.js';
import { isBefore, type Phase, type PhaseName } from './phases.js';

const HELD_WITHIN_MS = 20_000;
/** After the fault is gone everything must be settled within this, ms. */
const SETTLED_WITHIN_MS = 25_000;
/** So that round 0 takes seconds. */
const SLOW_ROUNDS = { bandwidthBytesPerSecond: 1_500_000 };
const ROUNDS_BEGUN_BYTES = 400_000;

/** Where the agents of a host directory look for holds. */
export function holdsOf(hostDirectory: string): string {
  const directory = join(hostDirectory, 'holds');
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** How a cell ended, all rules kept. */
export interface CellOutcome {
  /**
   * | moved | the guest runs at the destination |
   * | --- | --- |
   * | stayed | it runs at the source |
   * | reported | its VMM was killed, and the instance says so |
   */
  readonly guest: 'moved' | 'stayed' | 'reported';
  /** The code that the migration or the instance ended with. */
  readonly code: string | null;
  /** Longest time without a beat, ms; null where the guest was lost. */
  readonly stillMs: number | null;
}

export interface Cell {
  readonly hosts: TwoHosts;
  readonly guest: Guest;
  readonly from: AgentProcess;
  readonly to: AgentProcess;
  readonly phase: Phase & { readonly name: PhaseName };
  readonly fault: Fault;
}

/** Throws what does not hold. On return the guest runs soundly on one of the hosts, unless its VMM was killed: then it is nowhere. */
export async function runCell(cell: Cell): Promise<CellOutcome & { readonly at: AgentProcess | null }> {
  const { hosts, guest, from, to, phase, fault } = cell;
  if (hosts.topology === null) throw new Error('the hosts need a link of their own');
  guest.meter.reset();
  const stop = new AbortController();
  const release = hold(cell);
  try {
    const settings = phase.hold === null ? SLOW_ROUNDS : {};
    const { id } = await beginMove(guest, from, to, settings);
    const following = followTo(guest, to, stop.signal);
    await held(cell, id);
    const scene: Scene = {
      ...{ source: from, destination: to, topology: hosts.topology },
      vmm: { source: await pidOf(from, guest), destination: await pidOf(to, guest) },
    };
    await fault.make(scene);
    release();
    await fault.mend(scene);
    const end = await settled(cell, id);
    stop.abort();
    await following;
    await judge(cell, end);
    return { ...outcome(cell, end), at: end.alive ? end.at : null };
  } finally {
    release();
    stop.abort();
    hosts.topology.cut(null);
    hosts.topology.limit(null);
  }
}

/** A last word on the cell: another migration, wherever the guest is. */
export async function movesAgain(guest: Guest, from: AgentProcess, to: AgentProcess): Promise<void> {
  const result = await move(guest, from, to, { verify: true }, 60_000);
  if (result.state !== 'completed')
    throw new Error(`a new migration ${result.state}: ${result.error?.message} [${result.error?.code}]`);
  await mustBeSound(guest);
}

interface End {
  readonly source: MigrationView | null;
  readonly destination: MigrationView | null;
  readonly at: AgentProcess;
  readonly instance: InstanceView;
  readonly alive: boolean;
}

function hold({ from, to, phase }: Cell): () => void {
  if (phase.hold === null) return () => {};
  const agent = phase.hold.startsWith('source.') ? from : to;
  const file = join(holdsOf(agent.directory), phase.hold);
  writeFileSync(file, '');
  return () => {
    for (const path of [file, `${file}.held`]) rmSync(path, { force: true });
  };
}

/** Waits until the migration has come to the phase. */
async function held({ from, to, phase }: Cell, id: string): Promise<void> {
  const deadline = Date.now() + HELD_WITHIN_MS;
  for (;;) {
    const view = await from.client.getMigration(id);
    if (phase.hold === null) {
      if (view.phase === 'rounds' && (view.progress?.wireBytes ?? 0) > ROUNDS_BEGUN_BYTES) return;
    } else {
      const agent = phase.hold.startsWith('source.') ? from : to;
      if (existsSync(join(holdsOf(agent.directory), `${phase.hold}.held`))) return;
    }
    if (view.endedAt !== null || Date.now() > deadline)
      throw new Error(
        `the migration did not come to ${phase.name}: it is ${view.state} in ${view.phase}${view.error === null ? '' : `: ${view.error.message} [${view.error.code}]`}`,
      );
    await sleep(5);
  }
}

async function pidOf(agent: AgentProcess, guest: Guest): Promise<number> {
  const { state } = await agent.client.getInstance(guest.name);
  if (state.pid === null) throw new Error(`${guest.name} has no VMM at ${agent.name}`);
  return state.pid;
}

/** Waits until nobody has anything left to do, and says what there is. Throws what is unsettled at the deadline. */
async function settled({ from, to, guest }: Cell, id: string): Promise<End> {
  const deadline = Date.now() + SETTLED_WITHIN_MS;
  for (;;) {
    const views = await Promise.all([from, to].map((agent) => viewOf(agent, id)));
    const found = await Promise.all(
      [from, to].map(async (agent) => ({
        agent,
        instance: await agent.client.getInstance(guest.name).catch(() => null),
      })),
    );
    const here = found.flatMap(({ agent, instance }) => (instance === null ? [] : [{ agent, instance }]));
    const open = [
      ...views.flatMap((view) =>
        view === null || view.endedAt !== null ? [] : [`${view.role}: ${view.state}, ${view.phase}`],
      ),
      ...here.flatMap(({ agent, instance: { state, consoleSocket } }) => {
        // Of a VMM that has just ended the agent lets go at once, and says so when that is on its disk.
        if (state.life === 'running' && consoleSocket === null) return [`the VMM ended at ${agent.name}`];
        return state.life === 'running' || state.life === 'failed'
          ? []
          : [`the instance is ${state.life} at ${agent.name}`];
      }),
      ...(here.length === 1 ? [] : [`${here.length} hosts have the instance`]),
    ];
    const [only] = here;
    if (open.length === 0 && only) {
      const [source = null, destination = null] = views;
      const { agent: at, instance } = only;
      return { source, destination, at, instance, alive: instance.state.life === 'running' };
    }
    if (Date.now() > deadline)
      throw new Error(`not settled after ${SETTLED_WITHIN_MS / 1000} s: ${open.join('; ')}`);
    await sleep(50);
  }
}

function viewOf(agent: AgentProcess, id: string): Promise<MigrationView | null> {
  return agent.client.getMigration(id).catch(() => null);
}

/** Exactly one guest runs, its memory is right, the agents say the same, and nothing is left. */
async function judge(cell: Cell, { source, destination, at, instance, alive }: End): Promise<void> {
  const { from, to, guest, fault, phase } = cell;
  const wrong: string[] = [];
  const moved = at === to;
  if ((source?.state === 'completed') !== moved)
    wrong.push(`the source says ${source?.state}, and the instance is at ${at.name}`);
  if (destination !== null && (destination.state === 'completed') !== moved)
    wrong.push(`the destination says ${destination.state}, and the instance is at ${at.name}`);
  if (alive) {
    guest.meter.attach(consoleOf(instance));
    await mustBeSound(guest);
  } else if (fault.kills === null)
    wrong.push(`nobody killed the VMM, and the instance ${instance.state.error?.message}`);
  if (!alive && instance.state.error === null) wrong.push('the instance does not say why it failed');
  if (phase.relinquished && fault.kills !== 'destination-vmm' && !moved)
    wrong.push('the destination could go on and did not');
  if (fault.name === 'slow-link' && !moved) wrong.push('a slow link was taken for a broken one');
  if (fault.kills === 'destination-vmm' && isBefore(phase.name, 'owned') && !alive)
    wrong.push('the source could go on and did not');
  wrong.push(
    ...[from, to].flatMap((agent) =>
      openEntries(agent.stateDirectory).map((entry) => `${agent.name}: ${entry}`),
    ),
  );
  wrong.push(...(await left(cell, at, alive)));
  if (wrong.length > 0) throw new Error(wrong.join('; '));
}

/** What should have gone: processes, sockets, files, memory. What goes a moment later is waited for. */
async function left({ hosts, from, to }: Cell, at: AgentProcess, alive: boolean): Promise<string[]> {
  const deadline = Date.now() + 3_000;
  for (;;) {
    const found = [
      ...hosts.strays(alive ? 1 : 0),
      ...[from, to].flatMap((agent) => {
        const expected = alive && agent === at ? 1 : 0;
        const memories = memoriesOf(agent.pid);
        return memories === expected
          ? []
          : [`${agent.name} holds the memory of ${memories} guests, not ${expected}`];
      }),
    ];
    if (found.length === 0 || Date.now() > deadline) return found;
    await sleep(50);
  }
}

/** Guest memories that a process has open. */
function memoriesOf(pid: number): number {
  const memories = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      if (target.startsWith('/memfd:')) memories.add(target);
    } catch {
      // It was closed while we looked.
    }
  }
  return memories.size;
}

async function mustBeSound(guest: Guest): Promise<void> {
  const { bad, duplicates, alive, boots } = await soundness(guest);
  if (bad > 0 || duplicates > 0 || !alive || boots > 1)
    throw new Error(
      `the guest is not sound: ${JSON.stringify({ bad, duplicates, alive, boots, doubled: guest.meter.summary().doubled })}`,
    );
}

function outcome({ guest, to }: Cell, { source, at, instance, alive }: End): CellOutcome {
  if (!alive) return { guest: 'reported', code: instance.state.error?.code ?? null, stillMs: null };
  const { longestGap } = guest.meter.summary();
  return {
    guest: at === to ? 'moved' : 'stayed',
    code: source?.error?.code ?? null,
    stillMs: longestGap === null ? null : Math.round(longestGap.ms),
  };
}
