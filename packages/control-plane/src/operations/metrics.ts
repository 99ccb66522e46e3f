/**
 * `GET /metrics`: every metric of this replica, in one registry of its own. Names and labels are documented in docs/operations.md, which a test holds to this
 * file. Counters count what this replica did since it started; what the fleet is, is read from memory and never from the database, so that a scrape works
 * without one.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type MigrationReport, RELEASE } from '@drover/types';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { StateCounters } from '../state/counters.js';

/** From a millisecond to ten seconds of standing still, seconds. */
const DOWNTIME_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
/** From a tenth of a second to an hour, seconds. */
const DURATION_BUCKETS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600];
/** How finely the delay of the event loop is sampled, ms. */
const RESOLUTION_MS = 20;

/** What is read when somebody asks. */
export interface ReplicaState {
  readonly counters: StateCounters;
  readonly hostStates: () => readonly string[];
  readonly vmms: () => number;
  readonly refreshQueue: () => number;
  readonly unknownRings: () => number;
  /** Requests to agents. */
  readonly agentLoad: () => { readonly running: number; readonly waiting: number };
}

export interface EndedMigration {
  readonly outcome: string;
  readonly seconds: number;
  readonly report: Pick<MigrationReport, 'downtime' | 'wireBytes'> | null;
}

export class ReplicaMetrics {
  readonly #registry = new Registry();
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #ended: Counter<'outcome'>;
  readonly #duration: Histogram<'outcome'>;
  readonly #downtime: Histogram;
  readonly #bytes: Counter;

  constructor(state: ReplicaState) {
    const registers = [this.#registry];
    new Gauge({
      name: 'drover_control_plane_info',
      help: 'The release that runs; always 1.',
      labelNames: ['release'],
      registers,
    }).set({ release: RELEASE }, 1);
    fleetMetrics(registers, state);
    stateMetrics(registers, state.counters);
    this.#ended = new Counter({
      name: 'drover_fleet_migrations_ended_total',
      help: 'Migrations whose end this replica recorded.',
      labelNames: ['outcome'],
      registers,
    });
    this.#duration = new Histogram({
      name: 'drover_fleet_migration_duration_seconds',
      help: 'From the request to the end, waiting for room included.',
      labelNames: ['outcome'],
      buckets: DURATION_BUCKETS,
      registers,
    });
    this.#downtime = new Histogram({
      name: 'drover_fleet_migration_downtime_seconds',
      help: 'From the guest’s pause at the source to its first instruction at the destination.',
      buckets: DOWNTIME_BUCKETS,
      registers,
    });
    this.#bytes = new Counter({
      name: 'drover_fleet_migration_bytes_total',
      help: 'Bytes of guests that moved, as they were on the wire.',
      registers,
    });
    processMetrics(registers, this.#delay);
    this.#delay.enable();
  }

  migrationEnded({ outcome, seconds, report }: EndedMigration): void {
    this.#ended.inc({ outcome });
    this.#duration.observe({ outcome }, Math.max(0, seconds));
    if (report === null) return;
    this.#downtime.observe(report.downtime.totalMs / 1000);
    this.#bytes.inc(report.wireBytes);
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  close(): void {
    this.#delay.disable();
  }
}

function fleetMetrics(registers: Registry[], state: ReplicaState): void {
  new Gauge({
    name: 'drover_hosts',
    help: 'Hosts that are registered.',
    labelNames: ['state'],
    registers,
    collect() {
      this.reset();
      for (const how of state.hostStates()) this.inc({ state: how });
    },
  });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('drover_vmms', 'VMMs that are known and have not ended.', state.vmms);
  gauge('drover_refresh_queue', 'VMMs that were rung for and not yet asked for.', state.refreshQueue);
  gauge('drover_unknown_rings', 'Rings for VMMs that are still to be looked up.', state.unknownRings);
  gauge('drover_agent_requests', 'Requests to agents that are under way.', () => state.agentLoad().running);
  gauge(
    'drover_agent_requests_waiting',
    'Requests to agents that wait for their turn.',
    () => state.agentLoad().waiting,
  );
}

function stateMetrics(registers: Registry[], counters: StateCounters): void {
  const counter = (
    name: string,
    help: string,
    label: string | null,
    read: () => Readonly<Record<string, number>>,
  ) =>
    new Counter({
      name,
      help,
      labelNames: label === null ? [] : [label],
      registers,
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(read())) {
          if (label === null) this.inc(count);
          else this.inc({ [label]: value }, count);
        }
      },
    });
  const one = (read: () => number) => () => ({ count: read() });
  counter(
    'drover_doorbell_rings_total',
    'Rings taken, by whether their VMM was known.',
    'vmm',
    () => counters.rings,
  );
  counter(
    'drover_upcalls_total',
    'Older upcalls taken, by whether their VMM was known.',
    'vmm',
    () => counters.upcalls,
  );
  counter(
    'drover_states_found_total',
    'States that were news, by how they were found.',
    'by',
    () => counters.found,
  );
  counter(
    'drover_states_unchanged_total',
    'States read that told nothing new.',
    null,
    one(() => counters.unchanged),
  );
  counter(
    'drover_states_stale_total',
    'States that were older than what was stored, and changed nothing.',
    null,
    one(() => counters.stale),
  );
  counter(
    'drover_states_foreign_total',
    'States of a VMM that is another host’s.',
    null,
    one(() => counters.foreign),
  );
  counter(
    'drover_vmms_vanished_total',
    'VMMs that an agent no longer has and never said the end of.',
    null,
    one(() => counters.vanished),
  );
  counter(
    'drover_vmms_acknowledged_total',
    'Ended VMMs whose last state was stored and acknowledged.',
    null,
    one(() => counters.acknowledged),
  );
  counter('drover_sweeps_total', 'Rounds over one host.', 'outcome', () => counters.sweeps);
  new Gauge({
    name: 'drover_refresh_lag_seconds',
    help: 'From a ring to its state being stored, of the last thousand.',
    labelNames: ['quantile'],
    registers,
    collect() {
      const sorted = counters.refreshLagMs.toSorted((a, b) => a - b);
      for (const quantile of [0.5, 0.99, 1]) {
        const at = Math.min(sorted.length - 1, Math.floor(quantile * sorted.length));
        this.set({ quantile: String(quantile) }, (sorted[at] ?? 0) / 1000);
      }
    },
  });
}

function processMetrics(registers: Registry[], delay: ReturnType<typeof monitorEventLoopDelay>): void {
  new Gauge({
    name: 'drover_event_loop_delay_seconds',
    help: 'How late the event loop was, since it was last asked.',
    labelNames: ['quantile'],
    registers,
    collect() {
      for (const quantile of [0.5, 0.99, 1]) {
        const ns = quantile === 1 ? delay.max : delay.percentile(quantile * 100);
        // The histogram counts the time between two of its samples, their own distance included.
        this.set({ quantile: String(quantile) }, Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000) || 0);
      }
      delay.reset();
    },
  });
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the process.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
}
