/** The requests and events of machine protocol version 1, as data. Frozen: a change is a new version in a new module. */
import { z } from 'zod';

const path = z.string().min(1).max(4096);
/** A unix socket's: 107 bytes is what its address holds. */
const socketPath = z.string().regex(/^\/[^\0]{1,106}$/);
const nothing = z.strictObject({});
const timeoutMs = z.int().min(1).max(600_000);

/** Why the guest ended by itself. */
export const machineEndingV1 = z.object({
  kind: z.enum(['debug-exit', 'failed']),
  /** What the guest wrote to the debug-exit port; null after a failure. */
  value: z.int().nullable(),
  vcpu: z.int(),
  /** A sentence. */
  message: z.string(),
  /** `name=hex` words of that processor; empty after a debug exit. */
  registers: z.string(),
});
export type MachineEnding = z.output<typeof machineEndingV1>;

/** `empty` until configured; `made` until booted or loaded. */
const state = z.enum(['empty', 'made', 'paused', 'running', 'ended']);
const tracker = z.enum(['kvm-dirty-log', 'kvm-dirty-ring']);

export const machineRequestsV1 = {
  /** Makes the VM over the inherited memory, and its console. Once. */
  configure: {
    arguments: z.strictObject({
      memoryBytes: z.string().regex(/^[1-9][0-9]{0,18}$/),
      cpus: z.int().min(1).max(4096),
      tracker,
      /** Where to listen for whoever looks at the console. */
      consoleSocket: socketPath,
      /** Appended to. */
      consoleLog: path,
    }),
    answer: nothing,
  },
  /** Loads a kernel; paused at its start. */
  boot: {
    arguments: z.strictObject({ kernel: path, initrd: path.nullable(), commandLine: z.string().max(2047) }),
    answer: nothing,
  },
  status: {
    arguments: nothing,
    answer: z.object({ state, ending: machineEndingV1.nullable(), tracker: tracker.nullable() }),
  },
  /** Answers once no guest code runs; `ended` where there is none any more. Unchanged when refused. */
  pause: {
    arguments: z.strictObject({ timeoutMs }),
    answer: z.object({ state: z.enum(['paused', 'ended']) }),
  },
  resume: { arguments: nothing, answer: nothing },
  /** At any time, ahead of a save, which it makes quicker. Changes nothing else. */
  prepareSave: { arguments: nothing, answer: nothing },
  /** While paused: connects to `socket` and writes the state stream. The guest stays as it is. */
  saveState: {
    arguments: z.strictObject({ socket: socketPath, timeoutMs }),
    answer: z.object({ bytes: z.int() }),
  },
  /** Instead of boot: listens on `socket` for one state stream, which it loads. Answers once it listens. */
  awaitState: {
    arguments: z.strictObject({ socket: socketPath, clock: z.enum(['wall', 'stopped']) }),
    answer: nothing,
  },
  /** Answers once that state is loaded, or refuses with why it was not. */
  stateLoaded: { arguments: nothing, answer: nothing },
  /**
   * Writes are tracked from the answer on. `bitmapFd`: a descriptor of the machine's process, a memory area with one bit a page, into
   * which collections go.
   */
  startTracking: { arguments: nothing, answer: z.object({ bitmapFd: z.int().min(0) }) },
  /** Adds what was written since the last time to the bitmap. Whoever has read a bit clears it, before the next collection. */
  collect: {
    arguments: nothing,
    answer: z.object({ dirtyPages: z.int(), complete: z.boolean(), error: z.string().nullable() }),
  },
  stopTracking: { arguments: nothing, answer: nothing },
} as const;

export const machineEventsV1 = {
  /** The guest ended by itself. */
  ended: machineEndingV1,
} as const;
