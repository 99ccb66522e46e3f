/**
 * A migration between two simulated hosts, with both journals: prepared, moved in rounds, handed over, done. What each side says is what its
 * journal has, so a saga learns the outcome here as it would from real agents.
 */
import { randomUUID } from 'node:crypto';
import type {
  MigrationViewV3,
  OwnershipV3,
  ResolveMigrationBodyV3,
  StartMigrationBodyV3,
} from '@drover/protocol';
import type { ErrorBody, MigrationPhase, MigrationState } from '@drover/types';
import { Refusal } from './fake-agent.js';
import type { FakeHost, FakeInstance } from './fake-host.js';

type Entry = NonNullable<OwnershipV3['source']>;

/** How a migration is to go; the next one that a host begins takes it. */
export interface FakeCourse {
  /** Ends with this before the handover. */
  readonly fail?: ErrorBody;
  /** The destination's word is lost: relinquished, and neither side gets further until {@link FakeMigration.learn}. */
  readonly inDoubt?: boolean;
  /** Stays in the rounds until it is cancelled or {@link FakeMigration.goOn}. */
  readonly hold?: boolean;
}

const PHASES: readonly MigrationPhase[] = [
  'connecting',
  'preparing',
  'rounds',
  'switchover',
  'handover',
  'done',
];

export class FakeMigration {
  readonly id: string;
  readonly source: FakeHost;
  readonly destination: FakeHost | undefined;
  readonly instance: FakeInstance;
  readonly wish: StartMigrationBodyV3;
  readonly course: FakeCourse;
  readonly sourceVmm: string;
  readonly destinationVmm = randomUUID();
  state: MigrationState = 'running';
  phase: MigrationPhase = 'connecting';
  error: ErrorBody | null = null;
  readonly startedAt = new Date().toISOString();
  endedAt: string | null = null;
  #held: boolean;
  readonly #epoch: bigint;
  #sourceEntry: Entry;
  #destinationEntry: Entry | null = null;

  static begin(
    source: FakeHost,
    instance: FakeInstance,
    id: string,
    wish: StartMigrationBodyV3,
  ): FakeMigration {
    const vmm = source.vmms.get(instance.vmmId);
    if (vmm?.state.life !== 'running' && vmm?.state.life !== 'paused') {
      throw new Refusal(409, 'instance-busy', `Instance ${instance.name} is ${vmm?.state.life}.`, true);
    }
    const migration = new FakeMigration(source, instance, id, wish);
    source.migrations.set(id, migration);
    source.publish(
      instance.vmmId,
      { life: 'migrating-out' },
      { migration: { id, role: 'source', state: 'running' } },
    );
    migration.#later();
    return migration;
  }

  private constructor(source: FakeHost, instance: FakeInstance, id: string, wish: StartMigrationBodyV3) {
    this.source = source;
    this.destination = source.fleet.byPeer(wish.destination.port);
    this.instance = instance;
    this.id = id;
    this.wish = wish;
    this.sourceVmm = instance.vmmId;
    this.course = source.courses.shift() ?? {};
    this.#held = this.course.hold ?? false;
    this.#epoch = BigInt(source.vmms.get(instance.vmmId)?.state.epoch ?? '1');
    this.#sourceEntry = { instanceId: instance.id, state: 'owned', epoch: String(this.#epoch) };
  }

  /** Ends the wait of a held one. */
  goOn(): void {
    this.#held = false;
  }

  /** Ends a doubt: the destination's word arrives. */
  learn(): void {
    if (this.state === 'in-doubt') this.#complete();
  }

  cancel(): MigrationViewV3 {
    if (this.state === 'running' && PHASES.indexOf(this.phase) < PHASES.indexOf('handover')) {
      this.#giveUp('cancelled', {
        code: 'migration-cancelled',
        message: 'It was cancelled.',
        retryable: false,
      });
    }
    return this.view();
  }

  ownership(host: FakeHost): OwnershipV3 {
    return {
      source: host === this.source ? this.#sourceEntry : null,
      destination: host === this.destination ? this.#destinationEntry : null,
    };
  }

  resolve(host: FakeHost, { decision }: ResolveMigrationBodyV3): MigrationViewV3 {
    const epoch = String(this.#epoch + 2n);
    if (decision === 'take-back' && host === this.source && this.state === 'in-doubt') {
      this.#sourceEntry = { ...this.#sourceEntry, state: 'taken-back', epoch };
      this.#end('failed', { code: 'migration-taken-back', message: 'It was taken back.', retryable: false });
      this.source.publish(this.sourceVmm, { life: 'running', epoch }, { migration: null });
      return this.view(host);
    }
    if (decision === 'take-over' && host === this.destination && this.#destinationEntry?.state === 'ready') {
      this.#destinationEntry = { ...this.#destinationEntry, state: 'owned', epoch };
      this.#arrive(epoch);
      this.#end('completed', null);
      return this.view(host);
    }
    throw new Refusal(409, 'migration-not-in-doubt', `Migration ${this.id} cannot be decided here.`);
  }

  view(host: FakeHost = this.source): MigrationViewV3 {
    const isSource = host === this.source;
    const entry = isSource ? this.#sourceEntry : this.#destinationEntry;
    return {
      id: this.id,
      instanceId: this.instance.id,
      instanceName: this.instance.name,
      role: isSource ? 'source' : 'destination',
      peer: `${this.wish.destination.host}:${this.wish.destination.port}`,
      state: this.state,
      phase: this.phase,
      progress: {
        phase: this.phase,
        round: 1,
        elapsedMs: Date.now() - Date.parse(this.startedAt),
        wireBytes: 1_000_000,
        pagesSent: 256,
        pagesRemaining: this.endedAt ? 0 : 10,
        bandwidthBytesPerSecond: 100_000_000,
        dirtyPagesPerSecond: 100,
        expectedDowntimeMs: 20,
      },
      report: null,
      error: this.error,
      startedAt: this.startedAt,
      endedAt: this.endedAt,
      ownership: entry && { state: entry.state, epoch: entry.epoch },
      doubt:
        this.state === 'in-doubt'
          ? {
              since: this.startedAt,
              unknown: 'Whether the destination runs the guest.',
              waitsFor: `${this.wish.destination.host}:${this.wish.destination.port}`,
              attempts: 1,
              lastAnswer: null,
              remedy: 'Wait for the destination.',
            }
          : null,
    };
  }

  #later(): void {
    this.source.fleet.later(this.source.fleet.phaseMs, () => this.#step());
  }

  #step(): void {
    if (this.state !== 'running') return;
    switch (this.phase) {
      case 'connecting':
        if (!this.destination || this.destination.faults.get('peer') !== undefined) {
          this.#giveUp('failed', {
            code: 'peer-unreachable',
            message: 'No connection to the peer came about.',
            retryable: true,
          });
          return;
        }
        this.phase = 'preparing';
        break;
      case 'preparing':
        this.#prepare();
        this.phase = 'rounds';
        break;
      case 'rounds':
        if (this.course.fail) {
          this.#giveUp('failed', this.course.fail);
          return;
        }
        if (!this.#held) this.phase = 'switchover';
        break;
      case 'switchover':
        this.#destinationEntry = {
          instanceId: this.instance.id,
          state: 'ready',
          epoch: String(this.#epoch + 1n),
        };
        this.phase = 'handover';
        break;
      case 'handover':
        this.#sourceEntry = { ...this.#sourceEntry, state: 'relinquished', epoch: String(this.#epoch + 1n) };
        if (!this.course.inDoubt) {
          this.#complete();
          return;
        }
        this.state = 'in-doubt';
        this.source.publish(
          this.sourceVmm,
          { life: 'in-doubt' },
          { migration: { id: this.id, role: 'source', state: 'in-doubt' } },
        );
        return;
      default:
        return;
    }
    this.#later();
  }

  #prepare(): void {
    const { destination, instance } = this;
    if (!destination) return;
    destination.migrations.set(this.id, this);
    const vmm = this.source.vmms.get(this.sourceVmm);
    if (!vmm) return;
    this.#destinationEntry = { instanceId: instance.id, state: 'preparing', epoch: String(this.#epoch) };
    destination.instances.set(instance.id, { ...instance, vmmId: this.destinationVmm });
    destination.vmms.set(this.destinationVmm, {
      state: { ...vmm.state, vmmId: this.destinationVmm, generation: '1', life: 'migrating-in' },
      instanceName: instance.name,
      migration: { id: this.id, role: 'destination', state: 'running' },
      ended: null,
    });
    destination.ring(this.destinationVmm);
  }

  #complete(): void {
    const epoch = String(this.#epoch + 1n);
    if (this.#destinationEntry) this.#destinationEntry = { ...this.#destinationEntry, state: 'owned', epoch };
    this.#arrive(epoch);
    this.#sourceEntry = { ...this.#sourceEntry, state: 'done', epoch };
    this.#end('completed', null);
    this.source.instances.delete(this.instance.id);
    this.source.end(this.sourceVmm, 'moved', { life: 'moved' });
  }

  #arrive(epoch: string): void {
    this.destination?.publish(this.destinationVmm, { life: 'running', epoch }, { migration: null });
  }

  #giveUp(state: 'failed' | 'cancelled', error: ErrorBody): void {
    this.#sourceEntry = { ...this.#sourceEntry, state: 'aborted' };
    if (this.destination?.vmms.has(this.destinationVmm)) {
      if (this.#destinationEntry) this.#destinationEntry = { ...this.#destinationEntry, state: 'aborted' };
      this.destination.instances.delete(this.instance.id);
      this.destination.end(this.destinationVmm, 'deleted', { life: 'failed' });
    }
    this.#end(state, error);
    this.source.publish(this.sourceVmm, { life: 'running' }, { migration: null });
  }

  #end(state: MigrationState, error: ErrorBody | null): void {
    this.state = state;
    this.error = error;
    this.phase = state === 'completed' ? 'done' : this.phase;
    this.endedAt = new Date().toISOString();
  }
}
