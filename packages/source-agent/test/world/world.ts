/**
 * A source and a destination in one process: both agents, a guest on real shared memory, real TCP on the loopback. Everything
 * that the rules order (journals, resumes, destruction) is written into one list, in the order in which it happened.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DestinationAgent, type DestinationOptions } from '@drover/destination-agent';
import { native, type PeerListener } from '@drover/native';
import type { PeerVersion } from '@drover/protocol';
import {
  type InstanceSpec,
  instanceSpecSchema,
  type MigrationPhase,
  type MigrationProgress,
  type MigrationSettingsInput,
  migrationSettingsSchema,
} from '@drover/types';
import pino from 'pino';
import {
  migrateOut,
  type SourceDeadlines,
  type SourceMigration,
  type SourceOutcome,
} from '../../src/index.js';
import { FakeVmm, type FakeVmmOptions } from '../guest/fake-vmm.js';
import { FakeHost } from './fake-host.js';
import { FakeSourceJournal } from './fake-journals.js';

export const EPOCH = 5n;
const logger = pino({ level: process.env.DROVER_TEST_LOG ?? 'silent' });

export interface WorldOptions {
  readonly pages?: number;
  readonly workingSet?: number;
  readonly rate?: number;
  readonly filled?: number;
  readonly quiesced?: boolean;
  /** Versions of the protocol that each side is held to, and capabilities that it claims. */
  readonly sourceSide?: Side;
  readonly destinationSide?: Side;
}

interface Side {
  readonly peerVersions?: readonly PeerVersion[];
  readonly capabilities?: readonly number[];
}

export class World {
  readonly log: string[] = [];
  readonly notes: string[] = [];
  readonly phases: MigrationPhase[] = [];
  readonly progress: MigrationProgress[] = [];
  readonly inDoubt: string[] = [];
  readonly migrationId = randomUUID();
  readonly cancel = new AbortController();
  readonly shutdown = new AbortController();
  readonly journal = new FakeSourceJournal(this.log);
  /** Called when the source enters a phase. */
  onPhase: (phase: MigrationPhase) => void = () => {};
  onProgress: (progress: MigrationProgress) => void = () => {};
  readonly controlSockets = new Set<Socket>();
  spec: InstanceSpec;
  agent: DestinationAgent;

  private constructor(
    readonly directory: string,
    readonly source: FakeVmm,
    readonly host: FakeHost,
    private readonly instanceId: string,
    private readonly sides: { readonly source: Side; readonly destination: DestinationOptions },
  ) {
    this.agent = new DestinationAgent(host, sides.destination);
    this.spec = instanceSpecSchema.parse({
      name: 'guest-a',
      cpus: 1,
      memoryMiB: 64,
      boot: { from: 'kernel', kernel: '/vmlinuz' },
    });
    this.#listener = this.#listen(0);
    this.port = this.#listener.port;
  }

  #listener: PeerListener | null;
  readonly port: number;

  static async make(options: WorldOptions = {}): Promise<World> {
    const directory = mkdtempSync(join(tmpdir(), 'drover-world-'));
    const instanceId = randomUUID();
    const guest: FakeVmmOptions = {
      instanceId,
      directory: join(directory, 'source'),
      pages: options.pages ?? 4096,
      workingSet: options.workingSet ?? 512,
      rate: options.rate ?? 5_000,
      quiesced: options.quiesced ?? false,
    };
    const source = await FakeVmm.launch(guest);
    source.fill(guest.workingSet, options.filled ?? 1024);
    await source.resume();
    const log: string[] = [];
    const host = new FakeHost(
      { ...guest, directory: join(directory, 'destination'), incoming: true },
      log,
      logger,
    );
    const { sourceSide = {}, destinationSide = {} } = options;
    const world = new World(directory, source, host, instanceId, {
      source: sourceSide,
      destination: destinationSide,
    });
    host.log = world.log;
    source.hooks.resume = () => void world.log.push('source: resume');
    return world;
  }

  /** The destination's listener, as a host agent has it. */
  #listen(port: number): PeerListener {
    return native().listenForPeers({
      host: '127.0.0.1',
      port,
      handshakeTimeoutMs: 2_000,
      maxPending: 16,
      onConnection: (fd, preamble, hello) => {
        if (hello) {
          const receiver = this.host.receiverFor(hello);
          if (receiver) receiver.addChannel(fd, hello);
          else native().closeFd(fd);
          return;
        }
        const socket = new Socket({ fd, readable: true, writable: true });
        this.controlSockets.add(socket);
        socket.once('close', () => this.controlSockets.delete(socket));
        void this.agent.accept(socket, preamble);
      },
    });
  }

  migration(
    settings: MigrationSettingsInput = {},
    deadlines: Partial<SourceDeadlines> = {},
  ): SourceMigration {
    return {
      migrationId: this.migrationId,
      instance: { id: this.instanceId, name: this.spec.name, spec: this.spec },
      epoch: EPOCH,
      vmm: this.source,
      destination: { host: '127.0.0.1', port: this.port },
      settings: migrationSettingsSchema.parse(settings),
      journal: this.journal,
      release: '0.2.0',
      hostName: 'source-host',
      ...this.sides.source,
      runDirectory: this.directory,
      signal: this.cancel.signal,
      shutdown: this.shutdown.signal,
      logger,
      onProgress: (progress) => {
        this.progress.push(progress);
        this.onProgress(progress);
      },
      onPhase: (phase) => {
        this.phases.push(phase);
        this.onPhase(phase);
      },
      onNote: (text) => void this.notes.push(text),
      onInDoubt: (reason) => void this.inDoubt.push(reason.code),
      deadlines: { abortMs: 1_000, abortReadyMs: 1_500, queryBackoffMs: [20, 100], ...deadlines },
    };
  }

  migrate(settings?: MigrationSettingsInput, deadlines?: Partial<SourceDeadlines>): Promise<SourceOutcome> {
    return migrateOut(this.migration(settings, deadlines));
  }

  /** Cuts every control connection that is open now. */
  cutControl(): void {
    for (const socket of this.controlSockets) socket.destroy();
  }

  /** The destination's agent dies: nothing answers any more, on any connection. */
  killDestination(): void {
    this.#listener?.close();
    this.#listener = null;
    this.cutControl();
    for (const receiver of this.host.receivers) receiver.cancel();
  }

  /** An agent answers at the destination's address again. */
  reviveDestination(): DestinationAgent {
    this.agent = new DestinationAgent(this.host, this.sides.destination);
    this.#listener = this.#listen(this.port);
    return this.agent;
  }

  /** What the migration left behind at the source, besides the VMM. */
  leftovers(): string[] {
    return [
      ...readdirSync(this.directory).filter((name) => !['source', 'destination'].includes(name)),
      ...(this.source.trackers > 0 ? ['tracker'] : []),
      ...(this.source.listeners > 0 ? ['event listener'] : []),
    ];
  }

  /** What the migration left behind at the destination. */
  destinationLeftovers(): string[] {
    return [
      ...(existsSync(join(this.directory, 'destination')) ? ['VMM directory'] : []),
      ...(this.host.vmm && !this.host.vmm.destroyed ? ['VMM'] : []),
      ...(this.host.routes > 0 ? ['bulk route'] : []),
    ];
  }

  async close(): Promise<void> {
    this.shutdown.abort();
    await this.agent.close();
    this.#listener?.close();
    this.cutControl();
    await this.source.destroy();
    await this.host.vmm?.destroy();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
