/** `GET /metrics`: every metric of this agent, in one registry of its own. Names and labels are documented in docs/operations.md, which a test holds to this file. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { MigrationView } from '@drover/protocol';
import { RELEASE } from '@drover/types';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { DoorbellCounts } from '../control-plane/doorbell.js';

/** From a millisecond to ten seconds of standing still, seconds. */
const DOWNTIME_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
/** From a tenth of a second to an hour, seconds. */
const DURATION_BUCKETS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600];
/** How finely the delay of the event loop is sampled, ms. */
const RESOLUTION_MS = 20;

/** What is read when somebody asks. */
export interface AgentState {
  /** Instances by life. */
  readonly lives: () => readonly string[];
  readonly migrations: () => readonly Pick<MigrationView, 'role' | 'state' | 'progress' | 'endedAt'>[];
  readonly unacknowledgedVmms: () => number;
  /** Undefined on a host without a control plane. */
  readonly reporting: () =>
    | { readonly registered: boolean; readonly rings: DoorbellCounts & { readonly waiting: number } }
    | undefined;
}

export class AgentMetrics {
  readonly #registry = new Registry();
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #ended: Counter<'role' | 'outcome'>;
  readonly #downtime: Histogram;
  readonly #duration: Histogram<'role' | 'outcome'>;
  readonly #bytes: Counter;

  constructor(state: AgentState) {
    const registers = [this.#registry];
    new Gauge({
      name: 'drover_agent_info',
      help: 'The release that runs; always 1.',
      labelNames: ['release'],
      registers,
    }).set({ release: RELEASE }, 1);
    new Gauge({
      name: 'drover_instances',
      help: 'Instances on this host.',
      labelNames: ['life'],
      registers,
      collect() {
        this.reset();
        for (const life of state.lives()) this.inc({ life });
      },
    });
    new Gauge({
      name: 'drover_migrations',
      help: 'Migrations that this host took part in, the newest 500.',
      labelNames: ['role', 'state'],
      registers,
      collect() {
        this.reset();
        for (const { role, state: how } of state.migrations()) this.inc({ role, state: how });
      },
    });
    new Gauge({
      name: 'drover_migration_bandwidth_bytes_per_second',
      help: 'What the migrations under way send or take now.',
      labelNames: ['role'],
      registers,
      collect() {
        for (const role of ['source', 'destination']) {
          const under = state.migrations().filter((each) => each.role === role && each.endedAt === null);
          const rates = under.map(({ progress }) => progress?.bandwidthBytesPerSecond ?? 0);
          this.set(
            { role },
            rates.reduce((sum, rate) => sum + rate, 0),
          );
        }
      },
    });
    new Gauge({
      name: 'drover_ended_vmms',
      help: 'VMMs that ended and whose last state the control plane has not acknowledged.',
      registers,
      collect() {
        this.set(state.unacknowledgedVmms());
      },
    });
    new Gauge({
      name: 'drover_registered',
      help: '1 while the control plane knows this host; not there where none is configured.',
      registers,
      collect() {
        const reporting = state.reporting();
        if (reporting) this.set(reporting.registered ? 1 : 0);
        else this.remove();
      },
    });
    new Gauge({
      name: 'drover_rings_waiting',
      help: 'VMMs for which the doorbell is still to be rung.',
      registers,
      collect() {
        this.set(state.reporting()?.rings.waiting ?? 0);
      },
    });
    new Counter({
      name: 'drover_rings_total',
      help: 'Rings at the control plane’s doorbell, by what came of them.',
      labelNames: ['outcome'],
      registers,
      collect() {
        this.reset();
        const rings = state.reporting()?.rings;
        for (const outcome of ['answered', 'unknown', 'failed', 'dropped'] as const) {
          this.inc({ outcome }, rings?.[outcome] ?? 0);
        }
      },
    });
    this.#ended = new Counter({
      name: 'drover_migrations_ended_total',
      help: 'Migrations that ended since this agent started.',
      labelNames: ['role', 'outcome'],
      registers,
    });
    this.#duration = new Histogram({
      name: 'drover_migration_duration_seconds',
      help: 'From the request to the end.',
      labelNames: ['role', 'outcome'],
      buckets: DURATION_BUCKETS,
      registers,
    });
    this.#downtime = new Histogram({
      name: 'drover_migration_downtime_seconds',
      help: 'From the guest’s pause here to its first instruction on the destination.',
      buckets: DOWNTIME_BUCKETS,
      registers,
    });
    this.#bytes = new Counter({
      name: 'drover_migration_bytes_total',
      help: 'Bytes of guests that left this host, as they were on the wire.',
      registers,
    });
    processMetrics(registers, this.#delay);
    this.#delay.enable();
  }

  /** A migration has ended. Its report counts at the source, which measures it. */
  migrationEnded({ role, state: outcome, report, startedAt, endedAt }: MigrationView): void {
    this.#ended.inc({ role, outcome });
    if (endedAt !== null) {
      const ms = Math.max(0, Date.parse(endedAt) - Date.parse(startedAt));
      this.#duration.observe({ role, outcome }, ms / 1000);
    }
    if (role !== 'source' || report === null) return;
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
