/**
 * The driver interface: what the agents need from a VMM, and nothing that only one kind of VMM has.
 *
 * Every method says what holds when it fails. No driver runs guest code but in {@link Vmm.resume}.
 */
import type { DirtyBitmap, GuestMemory } from '@drover/native';
import type { CpuDefinition } from '@drover/protocol';
import type { DeviceStateVersions, InstanceSpec } from '@drover/types';

export interface DriverProbe {
  readonly version: string | null;
  /** Why the driver cannot be used here, as a sentence with the remedy; null when it can. */
  readonly unusable: string | null;
  /** Machine types that guests can have here, by exact name, never an alias; oldest release first. */
  readonly machineTypes: readonly string[];
  /** What guests can run on here. */
  readonly accelerators: readonly VmmIdentity['accelerator'][];
}

/** What was decided when the instance first started and stays so for its life. */
export interface VmmIdentity {
  readonly driver: 'qemu' | 'machine';
  /** The VMM's own version, e.g. `7.2.22`. */
  readonly version: string;
  /** Exact, never an alias. */
  readonly machineType: string;
  readonly accelerator: 'kvm' | 'tcg';
  readonly acceleratorReason: string;
}

/** The part of an identity that a host must be able to provide; of what is null it is not judged. */
export interface SettledIdentity {
  readonly version: string | null;
  readonly machineType: string;
  readonly accelerator: VmmIdentity['accelerator'];
  readonly acceleratorReason?: string;
}

export interface LaunchRequest {
  readonly instanceId: string;
  readonly vmmId: string;
  readonly spec: InstanceSpec;
  /** Private directory of this VMM, made and removed by the driver. Short: unix socket paths end at 107 bytes. */
  readonly directory: string;
  /** Serial console log; appended to; kept when the VMM goes. */
  readonly logFile: string;
  /** True for a destination: the VMM waits for device state and has never run. */
  readonly incoming: boolean;
  /** Given for a destination, null at first launch. A host that cannot provide exactly this refuses. */
  readonly identity: VmmIdentity | null;
  readonly signal: AbortSignal;
}

/** What an agent keeps on disk to find the VMM again after its own restart (R11). Plain JSON. */
export interface VmmRecord {
  readonly vmmId: string;
  readonly instanceId: string;
  readonly identity: VmmIdentity;
  readonly directory: string;
  readonly logFile: string;
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, so that a reused pid is never taken for the VMM. */
  readonly pidStartTime: string;
  readonly regions: readonly { readonly id: string; readonly sizeBytes: string; readonly vmmFd: number }[];
}

/** A reason why this VMM cannot be moved in its RAM mode. */
export interface Blocker {
  readonly code: string;
  readonly message: string;
}

/** `incomplete`: paused, and without the guest's state that it waits for, so that it cannot be resumed. */
export type VmmStatus =
  | 'running'
  | 'paused'
  | 'incomplete'
  | 'guest-stopped'
  | 'guest-panicked'
  | 'failed'
  | 'gone';

/** Something that happened to the VMM by itself. */
export interface VmmEvent {
  readonly kind: 'exited' | 'guest-shutdown' | 'guest-panicked' | 'guest-reset' | 'failed';
  readonly message: string;
}

/** Behind every tracker. See {@link import('@drover/native').PagemapScanTracker} for the rules that hold for all. */
export interface DirtyTracker {
  readonly name: 'pagemap-scan' | 'kvm-dirty-log' | 'kvm-dirty-ring';
  /**
   * True when this guest's devices may pin pages across a re-arm (O_DIRECT disks): then {@link collect} must be called with
   * the guest paused and its I/O drained (a quiesced round).
   */
  readonly needsQuiescedRounds: boolean;
  start(): Promise<void>;
  collect(
    into: DirtyBitmap,
  ): Promise<{ readonly dirtyPages: number; readonly complete: boolean; readonly error: string | null }>;
  stop(): void;
}

/** What the agents ask of one driver, or of all drivers of a host together. */
export interface VmmDrivers {
  /**
   * The versions of each kind of device state that this host reads, ascending; the last one is what it writes. Throws where the
   * VMM cannot be used, or does not tell: then its guests cannot be moved.
   */
  deviceStates(): Promise<DeviceStateVersions>;
  /** Why this spec could not be moved in RAM mode `external`, before anything exists; empty when it could. */
  specBlockers(spec: InstanceSpec): readonly Blocker[];
  /** Checks the host's side of the spec: files, interfaces, memory. Throws the first failure; makes nothing. */
  check(spec: InstanceSpec): Promise<void>;
  /**
   * Throws `cpu-not-offered`, naming what this host lacks of the processor that a guest of this spec was promised elsewhere. Makes
   * nothing. Null: its VMM does not tell, and finds out when it loads the state.
   */
  checkCpu(spec: InstanceSpec, cpu: CpuDefinition | null): Promise<void>;
  /**
   * Everything for which {@link launch} would refuse the spec now, each as the error that it would throw. `settled`: as in a
   * {@link LaunchRequest}. Makes nothing; never throws.
   */
  obstacles(spec: InstanceSpec, settled: SettledIdentity | null): Promise<readonly unknown[]>;
  /** Starts a VMM, paused. On failure nothing of it is left: process, directory, sockets. */
  launch(request: LaunchRequest): Promise<Vmm>;
  /** Finds a VMM that an earlier agent started. Throws `vmm-gone` when the process is not there any more. */
  adopt(record: VmmRecord, spec: InstanceSpec): Promise<Vmm>;
}

/** One kind of VMM. */
export interface VmmDriver extends VmmDrivers {
  readonly name: VmmIdentity['driver'];
  /** What the name of its VMMs' program begins with. */
  readonly program: string;
  /** How the memory of its guests moves. */
  readonly ramModes: readonly ['external'];
  probe(): Promise<DriverProbe>;
}

export interface Vmm {
  readonly record: VmmRecord;
  readonly memory: GuestMemory;
  readonly consoleSocket: string;
  readonly regions: readonly { readonly id: string; readonly sizeBytes: bigint }[];
  onEvent(listener: (event: VmmEvent) => void): () => void;
  status(): Promise<VmmStatus>;
  /** True once the process is gone. Told at once, for where a round trip would be downtime; left out where it cannot be. */
  isGone?(): boolean;
  /** Stops guest code and drains its I/O. Paused on success; unchanged on failure. */
  pause(): Promise<void>;
  /** Runs guest code. The caller must hold ownership of the instance (R1). */
  resume(): Promise<void>;
  /** What this running VMM has that its RAM mode cannot move; empty when it can. */
  blockers(): Promise<readonly Blocker[]>;
  /** Every kind of device state that saving this VMM writes, with its version. */
  deviceStates(): Promise<Readonly<Record<string, number>>>;
  /** What the guest was promised of its processors; null where this VMM does not tell. */
  cpu(): Promise<CpuDefinition | null>;
  tracker(): DirtyTracker;
  /** The guest stands still and waits for this VMM, or will in a moment. Failing is harmless; left out where it would change nothing. */
  hurry?(): void;

  /**
   * Makes everything ready so that {@link pause}, the tracker's collection after it, and {@link saveState} to `socketPath`, on which
   * somebody listens, cost as little as they can. Guest may run.
   */
  prepareSave(socketPath: string): Promise<void>;
  /**
   * True where {@link pause} after {@link prepareSave} does what {@link saveState} is for: that then tells how it went, and need not be asked where
   * the state has come through. Never of a guest whose rounds are quiesced.
   */
  savesAtPause?(): boolean;
  /** Writes device state, without memory, to the unix socket at `socketPath` on which somebody listens. Guest must be paused. It stays revivable by {@link resume}. */
  saveState(socketPath: string, signal: AbortSignal): Promise<void>;
  /** For an incoming VMM: starts to listen for device state; returns the unix socket to write it to. */
  prepareLoad(): Promise<string>;
  /**
   * Of VMMs that can: called before the state comes to that socket, beside the last round. Resolves when it has come and is loaded as far as
   * that touches no guest memory; true where nothing is left for {@link loaded}, which then need not be called.
   */
  loadAhead?(timeoutMs: number): Promise<boolean>;
  /** Called once memory is complete. Resolves when the state that was written to that socket is loaded; the VMM is then paused. */
  loaded(timeoutMs: number): Promise<void>;
  /** After a handover: tells the network where the guest is now. Failing is harmless. */
  announce(): Promise<void>;

  /** Asks the guest to power off; resolves true if it did within `graceMs`. */
  powerDown(graceMs: number): Promise<boolean>;
  /** Ends the process and removes the directory. Idempotent; never fails for a process that is gone. */
  destroy(): Promise<void>;
  /** Lets go without ending the VMM: the agent is stopping (R11). */
  release(): void;
}
