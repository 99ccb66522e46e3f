/**
 * The typed contract of the native addon: the only way into the C++ core.
 *
 * Rules of this file: `null` for unset, never an optional property, so a missing field is always a bug; 64-bit sizes are
 * `bigint` in, and come back through a shared counter block; every promise rejects with a {@link NativeError}; page
 * data never passes through here (R9).
 *
 * When changing this file, change `src/binding/` with it and raise {@link CONTRACT_VERSION} in both.
 */
import { loadAddon } from './load.js';
import { holdUrgency, Urgency } from './urgent.js';

/** The addon refuses to load when its compiled-in number differs. */
export const CONTRACT_VERSION = 8;

/** Guest page size of every format here, bytes. */
export const PAGE_SIZE = 4096;

/** What every failure of the core carries. `code` is stable; `errno` and `syscall` are null where no call failed. */
export interface NativeError extends Error {
  readonly code:
    | 'native-invalid-argument'
    | 'native-system-call'
    | 'native-permission'
    | 'native-unsupported'
    | 'native-timeout'
    | 'native-cancelled'
    | 'native-closed'
    | 'native-peer-violation'
    | 'native-connection-lost'
    | 'native-limit'
    | 'native-vmm-gone';
  readonly errno: number | null;
  readonly syscall: string | null;
}

/** Which implementation the running processor got. */
export interface CpuDispatch {
  readonly zeroScan: 'avx2' | 'portable';
  readonly crc32c: 'sse4.2' | 'portable';
}

/**
 * Whether `/dev/kvm` runs guests here. `emulated`: the device works but this kernel runs guest code through its
 * instruction emulator (found by running SSE arithmetic in a tiny VM), so no stock operating system starts on it.
 */
export interface KvmProbe {
  readonly kind: 'absent' | 'no-permission' | 'emulated' | 'full' | 'broken';
  readonly detail: string;
}

/** What this kernel lets a process track; each `detail` is a sentence when `ok` is false, otherwise empty. */
export interface TrackingProbe {
  readonly userfaultfd: { readonly ok: boolean; readonly detail: string };
  readonly asyncWriteProtect: { readonly ok: boolean; readonly detail: string };
  readonly pagemapScan: { readonly ok: boolean; readonly detail: string };
}

/** One stretch of guest memory. */
export interface RegionRequest {
  /** Name of the region, the same on both sides; 1–63 bytes. */
  readonly id: string;
  /** A descriptor of shared memory; the core keeps a duplicate. */
  readonly fd: number;
  /** Where the region starts in the descriptor, bytes, page aligned. */
  readonly offset: bigint;
  /** Its length, bytes, a whole number of pages; may be 0. */
  readonly sizeBytes: bigint;
}

/** Guest memory: regions over descriptors. Pages are numbered through all regions in order, from 0. */
export interface GuestMemory {
  readonly pages: number;
  /** Pages the descriptors hold (SEEK_DATA), found without touching a hole. */
  dataPages(): number;
  /** Data ranges of one region as [offset, length] bytes, neighbours closer than `mergeBytes` joined, at most `limit` of them (then the rest is one range). */
  dataRanges(region: number, mergeBytes: bigint, limit: number): Array<[bigint, bigint]>;
  /** 128-bit digest of all memory as 32 hex digits; a hole and a zero page are the same. Runs on `threads` own threads. */
  digest(threads: number): Promise<{ readonly digest: string; readonly dataPages: number }>;
  /** Populates ranges ahead of the bytes on one own thread, stops early at close. Resolves with the pages populated. */
  populate(ranges: ReadonlyArray<readonly [region: number, offset: bigint, length: bigint]>): Promise<number>;
  close(): void;
}

/** One bit a page of a {@link GuestMemory}. Lives outside the JavaScript heap. */
export interface DirtyBitmap {
  readonly pages: number;
  count(): number;
  setAll(): void;
  clear(): void;
  /** Adds every page of `other`. */
  merge(other: DirtyBitmap): void;
}

/** What one collection found. When `complete` is false every page was reported and `error` says why. */
export interface Collected {
  readonly dirtyPages: number;
  readonly complete: boolean;
  readonly error: string | null;
}

/**
 * Dirty tracking from outside the process: asynchronous userfaultfd write-protection and PAGEMAP_SCAN. A failure of
 * any kind reports everything dirty, from then on and for good; start a new tracker to try again (R5).
 */
export interface PagemapScanTracker {
  /** Takes a fresh userfaultfd from the shim, registers and write-protects every region. Writes from here on are seen. */
  start(): Promise<void>;
  /** Adds the pages written since start or the last collection to `into` and re-arms them, in one pass. */
  collect(into: DirtyBitmap): Promise<Collected>;
  /** Unregisters. Safe to call at any time and twice. */
  stop(): void;
}

/** What this host's KVM can do for a machine. */
export interface KvmHost {
  readonly maxVcpus: number;
  readonly trackers: ReadonlyArray<'kvm-dirty-log' | 'kvm-dirty-ring'>;
}

/** A processor as guests are shown it. */
export interface HostCpu {
  /** `GenuineIntel`. */
  readonly vendor: string;
  readonly model: string;
  /** As /proc/cpuinfo spells them; `cpuid_7.0_ebx_9` where Linux has no name. Ascending. */
  readonly features: string[];
}

/** What a guest was promised of its processors for life. All numbers are of 32 bits. */
export interface CpuDefinition {
  /** CPUID of the first processor; the others differ in their numbers alone. At most 256. */
  readonly cpuid: ReadonlyArray<{
    readonly leaf: number;
    readonly subleaf: number;
    readonly eax: number;
    readonly ebx: number;
    readonly ecx: number;
    readonly edx: number;
  }>;
  /** Model-specific registers that are part of its state. At most 1024. */
  readonly msrs: readonly number[];
}

/** Why a machine ended by itself. */
export interface KvmEnding {
  /** `failed`: the guest cannot go on (triple fault, an instruction that KVM cannot emulate). */
  readonly kind: 'debug-exit' | 'failed';
  /** What the guest wrote to the debug-exit port (0xf4); null after a failure. */
  readonly value: number | null;
  readonly vcpu: number;
  /** A sentence. */
  readonly message: string;
  /** `name=hex` words of that processor, and the bytes at its instruction pointer; empty after a debug exit. */
  readonly registers: string;
}

/** The state of one device; never page data. `version` is of the kind's layout (`src/core/kvm/state/SPEC.md`). */
export interface MachinePayload {
  readonly instance: string;
  readonly kind: string;
  readonly version: number;
  readonly data: Uint8Array;
}

export interface KvmMachineOptions {
  /** The guest's RAM: its first 3 GiB lie at address 0, the rest from 4 GiB. At least 1 MiB. */
  readonly memory: GuestMemory;
  readonly vcpus: number;
  /** KVM has one or the other for a VM's whole life. */
  readonly tracker: 'kvm-dirty-log' | 'kvm-dirty-ring';
  /** Called once, if the guest ends by itself; the machine is `ended` then. */
  readonly onEnd: (ending: KvmEnding) => void;
}

/**
 * A VM straight on `/dev/kvm`: processors on threads of their own, a 16550 serial port at 0x3f8, a debug-exit port at 0xf4.
 * made → boot or loadState → paused ⇄ running → ended. Lives until close(), whoever still refers to it; does not keep the
 * event loop alive. Nothing needs polling: the console is a socket, and the end is called out.
 */
export interface KvmMachine {
  readonly state: 'made' | 'paused' | 'running' | 'ended';
  /** The console as a connected stream socket, once; the caller owns the descriptor. Output that is not read in time (64 KiB) is dropped. */
  takeConsole(): number;
  /** Loads an ELF with a PVH entry or a Linux bzImage; the machine is paused at its start. */
  boot(kernel: {
    readonly kernelPath: string;
    readonly initrdPath: string | null;
    readonly commandLine: string;
  }): Promise<void>;
  /** Resolves once no guest code runs. After `native-timeout` the pause stays asked for; call again. Nothing to do when paused or ended. */
  pause(timeoutMs: number): Promise<void>;
  /** {@link pause}, then {@link collect}, in one. What fails is the pause: nothing was collected then. */
  standStill(timeoutMs: number, into: DirtyBitmap): Promise<Collected>;
  /**
   * As {@link standStill}, on this thread: no other has to wake up first. Null where the guest does not stand still within `patienceMs`,
   * of which a few are enough for most; the pause stays asked for.
   */
  standStillSync(patienceMs: number, into: DirtyBitmap): Collected | null;
  resume(): void;
  /** While paused: everything but memory. */
  saveState(): Promise<MachinePayload[]>;
  /** As {@link saveState}, as the stream that goes to another machine, and on this thread: some 200 µs a processor. */
  saveStreamSync(): Uint8Array;
  /**
   * Once, instead of boot, into a machine of as many processors. `wall`: the guest's clocks go on by the wall-clock time since
   * saveState; `stopped`: from where they stood. Rejects with `native-invalid-argument` (a payload is malformed, missing, there twice,
   * unknown) or `native-unsupported` (a version, processor feature or register that this host lacks, named); throw the machine away then.
   */
  loadState(payloads: readonly MachinePayload[], clock: 'wall' | 'stopped'): Promise<void>;
  /**
   * As {@link loadState}, but a whole stream, before guest memory is complete, and on this thread: some 300 µs a processor. False where loading
   * that state reads or writes guest memory: it was checked, and {@link finishLoadSync} loads it. Throws what {@link loadState} rejects with, and
   * `native-peer-violation` where the bytes are no such stream.
   */
  loadStreamAheadSync(stream: Uint8Array, clock: 'wall' | 'stopped'): boolean;
  /** Once guest memory is complete: loads what {@link loadStreamAheadSync} has kept, if it has. */
  finishLoadSync(): void;
  /** At any time; the same for the guest's life, wherever it goes. {@link NativeAddon.missingFromHost} of another host compares it before anything moves. */
  cpuDefinition(): CpuDefinition;
  /** The CPUID part of the state, at any time. */
  cpuidPayloads(): MachinePayload[];
  /**
   * Starts the tracker. It walks no memory: the first collection reports every page and arms it, so collect once before the
   * first round. As for every tracker, what cannot be known is reported dirty (R5).
   */
  startTracking(): Promise<void>;
  collect(into: DirtyBitmap): Promise<Collected>;
  stopTracking(): Promise<void>;
  /** Ends the machine, running or not. */
  close(): void;
}

/** Options of the accepting side. */
export interface PeerListenerOptions {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** How long a connection may take to send its preamble (and, for bulk, its hello), ms. */
  readonly handshakeTimeoutMs: number;
  /** Connections still inside their handshake at once; further ones are closed. */
  readonly maxPending: number;
  /**
   * A connection whose preamble has the right magic and format. `preamble` is its 16 bytes; `hello` the 48 bytes that follow
   * on bulk connections, otherwise null. The callee owns `fd`.
   */
  readonly onConnection: (fd: number, preamble: Uint8Array, hello: Uint8Array | null) => void;
}

/** Listens for peers and reads the first bytes of every connection, with a deadline, before anything is allocated for it. */
export interface PeerListener {
  /** The port in use. */
  readonly port: number;
  close(): void;
}

/**
 * Places in a counter block (`BigUint64Array`), written by the transfer threads with relaxed atomics and readable at
 * any time. Bytes are on the wire, headers included; pages are 4 KiB.
 */
export const Counter = {
  wireBytes: 0,
  dataPages: 1,
  zeroPages: 2,
  /** Pages whose checksum did not hold because the guest wrote them on the way; they are sent again. */
  tornPages: 3,
  frames: 4,
  round: 5,
  roundPages: 6,
  roundPagesDone: 7,
  /** Time spent waiting for the bandwidth limit, µs, all channels. */
  throttledMicros: 8,
  stateBytes: 9,
} as const;
/** Entries of a counter block. */
export const COUNTER_COUNT = 16;

/** What a finished round did, on the sending side. */
export interface RoundResult {
  readonly wireBytes: number;
  readonly dataPages: number;
  readonly zeroPages: number;
  /** Pages that arrived torn, already added to the bitmap handed to `sendRound` as `torn`. */
  readonly tornPages: number;
  readonly durationMicros: number;
}

export interface BulkSenderOptions {
  readonly memory: GuestMemory;
  readonly host: string;
  readonly port: number;
  /** Page channels, 1–64; one more connection carries device state. */
  readonly connections: number;
  /** Peer protocol version that the control channel agreed on, 1 or 2. */
  readonly version: number;
  /** 32 bytes that the destination gave in PREPARED; names the migration and proves the right to write. */
  readonly token: Uint8Array;
  readonly connectTimeoutMs: number;
  /** No byte acknowledged for this long ends the transfer, ms (TCP_USER_TIMEOUT and the wait for acknowledgements). */
  readonly stallTimeoutMs: number;
  /** Unix socket, made on connect(), on which the VMM's device state is awaited; null where the VMM has none. */
  readonly stateSocket: string | null;
  readonly stateLimitBytes: bigint;
}

/** The sending half of the bulk transfer: N page channels and a state channel, each on a thread of its own. */
export interface BulkSender {
  readonly counters: BigUint64Array;
  connect(): Promise<void>;
  /**
   * Sends one round and resolves when every channel's end of round is acknowledged. `pages` null: everything but holes and
   * zero pages; otherwise exactly these pages (a hole or zero page goes as a zero run). Pages that arrive torn are
   * added to `torn`.
   */
  sendRound(round: number, pages: DirtyBitmap | null, torn: DirtyBitmap): Promise<RoundResult>;
  /** Bytes a second over all channels; 0 for no limit. May change during a round. */
  setBandwidth(bytesPerSecond: bigint): void;
  /** Resolves when the VMM's state stream ended and the destination acknowledged all of it. One state for each sender. */
  stateSent(): Promise<{ readonly bytes: number; readonly durationMicros: number }>;
  /** The guest stands still and waits for this: its threads run ahead of ordinary ones, where that is permitted, from here to their end. */
  hurry(): void;
  /** Ends every thread's work now; pending promises reject with `native-cancelled`. */
  cancel(): void;
  close(): void;
}

export interface BulkReceiverOptions {
  readonly memory: GuestMemory;
  readonly connections: number;
  readonly version: number;
  readonly stallTimeoutMs: number;
  readonly stateLimitBytes: bigint;
  /** Called once when a channel fails; every pending promise has been rejected with the same error. */
  readonly onFailure: (error: NativeError) => void;
}

/** The receiving half. Channels are added as they are accepted; each gets a thread of its own. */
export interface BulkReceiver {
  readonly counters: BigUint64Array;
  /** Takes over `fd`. `hello` is what the listener read. Answers the peer with the 16-byte preamble. */
  addChannel(fd: number, hello: Uint8Array): void;
  /** Resolves when every page channel and the state channel are there. */
  connected(timeoutMs: number): Promise<void>;
  /**
   * Resolves when all channels have ended `round`, or a later one, with every page of it in memory: what came damaged the source sends again
   * in the next round, and that one is waited for.
   */
  roundEnded(round: number, timeoutMs: number): Promise<void>;
  /** Connects to the unix socket on which the VMM awaits its device state; ahead of the state, so that it costs no downtime. */
  connectVmm(socketPath: string, timeoutMs: number): Promise<void>;
  /**
   * Writes the device state to the VMM as it comes; resolves when all of it was checked and written. What the VMM has loaded of a
   * state that fails is worth nothing: end it.
   */
  deliverState(timeoutMs: number): Promise<{ readonly bytes: number }>;
  /** As {@link BulkSender.hurry}. */
  hurry(): void;
  cancel(): void;
  close(): void;
}

/** The addon as loaded. */
export interface NativeAddon {
  readonly contractVersion: number;
  cpuDispatch(): CpuDispatch;
  probeKvm(): KvmProbe;
  probeTracking(): TrackingProbe;
  /** A fresh memfd of that size, close-on-exec. The caller owns the descriptor. */
  createMemfd(name: string, sizeBytes: bigint): number;
  /** Closes a descriptor that this contract handed out. */
  closeFd(fd: number): void;
  /** Exclusive advisory lock (flock) without waiting; false when another process holds it. */
  tryLock(fd: number): boolean;
  /**
   * Writes all of `bytes` (copied) at `position` of a file opened with O_DSYNC, on a thread of its own, which is as urgent as this one: libuv's
   * threads may all be waiting for other disks, and are never urgent. Nothing ends it before the disk does; `fd` must stay open until then. After
   * `native-system-call` or `native-permission` a part may have been written.
   */
  writeSynced(fd: number, bytes: Uint8Array, position: number): Promise<void>;
  openMemory(regions: readonly RegionRequest[]): GuestMemory;
  createBitmap(memory: GuestMemory): DirtyBitmap;
  /** A bitmap in shared memory and its descriptor, for another process to open; the caller owns `fd`. */
  createSharedBitmap(memory: GuestMemory): { readonly bitmap: DirtyBitmap; readonly fd: number };
  /** The bitmap behind such a descriptor, for memory of the same size; `fd` stays the caller's. */
  openSharedBitmap(memory: GuestMemory, fd: number): DirtyBitmap;
  createPagemapScanTracker(options: {
    readonly memory: GuestMemory;
    readonly pid: number;
    readonly shimSocket: string;
    readonly timeoutMs: number;
  }): PagemapScanTracker;
  /** What could run machines on this host, and why it does not; asks the devices. */
  findHypervisors(): Array<{
    readonly name: 'kvm' | 'bhyve';
    readonly usable: boolean;
    readonly why: string;
  }>;
  /**
   * Whether a guest's time can stand still over a migration that comes here; `detail` is a sentence when `ok` is false, otherwise empty. Takes
   * milliseconds. Throws as {@link kvmHost}.
   */
  probeStoppedClock(): { readonly ok: boolean; readonly detail: string };
  /** Throws where no machine runs here: `native-unsupported`, `native-permission`. */
  kvmHost(): KvmHost;
  /** Throws `native-unsupported`, `native-permission`, `native-limit` (more processors than the host's KVM allows). */
  createKvmMachine(options: KvmMachineOptions): KvmMachine;
  /** The payload kinds of a machine's state with the versions this release reads; the last of each is what it writes. */
  machinePayloadKinds(): Readonly<Record<string, readonly number[]>>;
  /** What this host's KVM offers to guests. Throws as {@link kvmHost}. */
  hostCpu(): HostCpu;
  /**
   * What of a machine's processor this host lacks, by name (`avx512f`, `the vendor GenuineIntel`, `MSR 0xda0 (IA32_XSS)`); both empty
   * where it can take the machine on. Throws as {@link kvmHost}, and `native-invalid-argument`.
   */
  missingFromHost(cpu: CpuDefinition): { readonly features: string[]; readonly msrs: string[] };
  /**
   * One datagram of `NAME=VALUE` lines to the service manager (sd_notify(3)) at what `NOTIFY_SOCKET` names: an absolute path, or `@` and a name in
   * the abstract namespace. Never waits. Throws `native-invalid-argument` for another address, `native-system-call` where nobody hears it.
   */
  notifyServiceManager(address: string, text: string): void;
  /**
   * Makes this thread real-time of the lowest priority, and not the threads and processes that it starts. Nothing where it is already. Use
   * {@link createUrgency}. Throws `native-permission`, `native-system-call`.
   */
  beginUrgency(): void;
  /** Makes it what it was before. */
  endUrgency(): void;
  listenForPeers(options: PeerListenerOptions): PeerListener;
  createSender(options: BulkSenderOptions): BulkSender;
  createReceiver(options: BulkReceiverOptions): BulkReceiver;
}

/** Loads the addon once; throws one error that lists what was tried and the remedy. */
export function native(): NativeAddon {
  return loadAddon(CONTRACT_VERSION);
}

/** Has this thread run ahead of ordinary ones while it is begun, for a switchover. Never throws. */
export function createUrgency(): Urgency {
  return new Urgency(() => holdUrgency(native()));
}

export { shimLibraryPath } from './load.js';
export type { Urgency } from './urgent.js';
