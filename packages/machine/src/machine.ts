/** One VM, and what each request of the machine protocol does with it. */
import {
  type Collected,
  createUrgency,
  type DirtyBitmap,
  type GuestMemory,
  type KvmEnding,
  type KvmMachine,
  native,
} from '@drover/native';
import {
  encodeMachineState,
  type MachineAnswer,
  type MachineArguments,
  type MachineEnding,
  type MachineRequestName,
} from '@drover/protocol';
import { Console } from './console.js';
import { Refusal } from './refusal.js';
import { StateArrival, StateDeparture } from './state-socket.js';
import { warmUp } from './warm-up.js';

export type Handlers = {
  readonly [Name in MachineRequestName]: (
    request: MachineArguments<Name>,
  ) => Promise<MachineAnswer<Name>> | MachineAnswer<Name>;
};

interface Vm {
  readonly machine: KvmMachine;
  readonly memory: GuestMemory;
  readonly console: Console;
  readonly tracker: 'kvm-dirty-log' | 'kvm-dirty-ring';
}

/** The bitmap that collections go to, until tracking starts anew. */
interface Tracking {
  readonly bitmap: DirtyBitmap;
  readonly fd: number;
}

/** How long a guest that was just resumed is kept in sight of whoever waits for it, ms: its first words, with every cache cold. */
const FIRST_MOMENTS_MS = 50;
/** How long the guest's standstill is waited for right here, ms; longer than a processor takes to leave the guest. */
const PATIENCE_MS = 2;

/** A state that is on its way, by the socket that it goes to. */
interface Leaving {
  readonly socket: string;
  readonly written: Promise<MachineAnswer<'saveState'>>;
}

export class Machine {
  readonly #memoryFd: number;
  /** From the first request to configure on, unless it failed. */
  #configuring = false;
  #vm: Vm | null = null;
  #ending: MachineEnding | null = null;
  #arrival: StateArrival | null = null;
  /** Where the state goes at the next standstill. */
  #departure: StateDeparture | null = null;
  #leaving: Leaving | null = null;
  #tracking: Tracking | null = null;
  /** While the guest waits for this thread, which no processor of a guest shall move aside. */
  readonly #urgency = createUrgency();
  /** Told once, when the guest ends by itself. */
  onEnd: (ending: MachineEnding) => void = () => {};

  /** `memoryFd`: the memory of the guest that is to be. */
  constructor(memoryFd: number) {
    this.#memoryFd = memoryFd;
  }

  readonly handlers: Handlers = {
    configure: (request) => this.#configure(request),
    boot: async ({ kernel, initrd, commandLine }) => {
      await this.#configured().machine.boot({ kernelPath: kernel, initrdPath: initrd, commandLine });
      return {};
    },
    describeCpu: () => {
      const { cpuid, msrs } = this.#configured().machine.cpuDefinition();
      return { cpuid: cpuid.map((entry) => ({ ...entry })), msrs: [...msrs] };
    },
    status: () => ({
      state: this.#vm?.machine.state ?? 'empty',
      ending: this.#ending,
      tracker: this.#vm?.tracker ?? null,
    }),
    pause: ({ timeoutMs }) => this.#pause(timeoutMs),
    resume: () => {
      this.#loaded().machine.resume();
      setTimeout(() => this.#urgency.end(), FIRST_MOMENTS_MS).unref();
      // What was saved is not the guest's state any more.
      this.#leaving = null;
      return {};
    },
    prepareSave: () => {
      this.#loaded();
      warmUp(null);
      return {};
    },
    connectState: async ({ socket, timeoutMs }) => {
      this.#loaded();
      this.#departure?.close();
      this.#departure = null;
      this.#departure = await StateDeparture.connect(socket, timeoutMs);
      return {};
    },
    standStill: (request) => this.#standStill(request),
    saveState: async ({ socket, timeoutMs }) => {
      const leaving = this.#leaving;
      this.#leaving = null;
      if (leaving?.socket === socket) return leaving.written;
      return save(this.#loaded().machine, () => StateDeparture.connect(socket, timeoutMs), timeoutMs);
    },
    awaitState: async ({ socket, clock }) => {
      const { machine } = this.#configured();
      if (machine.state !== 'made' || this.#arrival !== null) {
        throw new Refusal('configured-already', 'This machine has a state, or waits for one already.');
      }
      const rehearsal = encodeMachineState(machine.cpuidPayloads());
      warmUp(rehearsal);
      this.#arrival = await StateArrival.listen(socket, rehearsal, (stream) => {
        // Afterwards: whoever sent it has this machine hurry before, and it would wait for this.
        setImmediate(() => this.#urgency.begin());
        return loadAhead(machine, stream, clock);
      });
      return {};
    },
    hurry: () => {
      this.#urgency.begin();
      return {};
    },
    loadAhead: async () => ({ complete: await this.#awaited().loaded() }),
    stateLoaded: async () => {
      await this.#awaited().loaded();
      this.#configured().machine.finishLoadSync();
      return {};
    },
    startTracking: () => this.#startTracking(),
    collect: async () => {
      if (this.#tracking === null) throw new Refusal('not-configured', 'Nothing is being tracked.');
      return this.#configured().machine.collect(this.#tracking.bitmap);
    },
    stopTracking: async () => {
      await this.#configured().machine.stopTracking();
      this.#endTracking();
      return {};
    },
  };

  async #configure(request: MachineArguments<'configure'>): Promise<MachineAnswer<'configure'>> {
    if (this.#configuring) throw new Refusal('configured-already', 'This machine was configured already.');
    this.#configuring = true;
    try {
      this.#vm = await this.#makeVm(request);
      return {};
    } catch (error) {
      this.#configuring = false;
      throw error;
    }
  }

  async #makeVm(request: MachineArguments<'configure'>): Promise<Vm> {
    const { memoryBytes, cpus, tracker, consoleSocket, consoleLog } = request;
    const region = { id: 'ram0', fd: this.#memoryFd, offset: 0n, sizeBytes: BigInt(memoryBytes) };
    const memory = native().openMemory([region]);
    let machine: KvmMachine | null = null;
    let console: Console | null = null;
    try {
      const onEnd = (ending: KvmEnding): void => {
        this.#ending = ending;
        void (console?.drained() ?? Promise.resolve()).then(() => this.onEnd(ending));
      };
      machine = native().createKvmMachine({ memory, vcpus: cpus, tracker, onEnd });
      console = await Console.open(machine.takeConsole(), consoleSocket, consoleLog);
      return { machine, memory, console, tracker };
    } catch (error) {
      machine?.close();
      memory.close();
      throw error;
    }
  }

  async #pause(timeoutMs: number): Promise<MachineAnswer<'pause'>> {
    const { machine } = this.#loaded();
    await orGoOn(machine, machine.pause(timeoutMs));
    return { state: stillness(machine) };
  }

  async #standStill({
    timeoutMs,
    saveTimeoutMs,
  }: MachineArguments<'standStill'>): Promise<MachineAnswer<'standStill'>> {
    const { machine } = this.#loaded();
    this.#urgency.begin();
    let collected: Collected | null = null;
    if (this.#tracking === null) await orGoOn(machine, machine.pause(timeoutMs));
    else {
      const { bitmap } = this.#tracking;
      collected = machine.standStillSync(PATIENCE_MS, bitmap);
      collected ??= await orGoOn(machine, machine.standStill(timeoutMs, bitmap));
    }
    const departure = this.#departure;
    this.#departure = null;
    if (departure !== null && machine.state === 'paused') {
      // The answer goes first: the last pages are sent while the state is saved.
      const answered = new Promise((resolve) => setImmediate(resolve));
      const written = answered.then(() => save(machine, async () => departure, saveTimeoutMs));
      written.catch(() => departure.close());
      this.#leaving = { socket: departure.path, written };
    }
    return { state: stillness(machine), collected };
  }

  async #startTracking(): Promise<MachineAnswer<'startTracking'>> {
    const { machine, memory } = this.#configured();
    await machine.stopTracking();
    this.#endTracking();
    const { bitmap, fd } = native().createSharedBitmap(memory);
    try {
      await machine.startTracking();
      // The first collection reports every page, as it must: nothing is known yet. What is written from here on is.
      await machine.collect(bitmap);
      bitmap.clear();
    } catch (error) {
      native().closeFd(fd);
      throw error;
    }
    this.#tracking = { bitmap, fd };
    return { bitmapFd: fd };
  }

  #endTracking(): void {
    if (this.#tracking !== null) native().closeFd(this.#tracking.fd);
    this.#tracking = null;
  }

  #awaited(): StateArrival {
    if (this.#arrival === null) {
      throw new Refusal('not-awaiting', 'This machine was not told to await a state.');
    }
    return this.#arrival;
  }

  #configured(): Vm {
    if (this.#vm === null) throw new Refusal('not-configured', 'This machine was not configured.');
    return this.#vm;
  }

  #loaded(): Vm {
    const vm = this.#configured();
    if (vm.machine.state === 'made') {
      throw new Refusal(
        'not-loaded',
        'This machine has nothing to run: it was neither booted nor given a state.',
      );
    }
    return vm;
  }
}

async function save(
  machine: KvmMachine,
  connection: () => Promise<StateDeparture>,
  timeoutMs: number,
): Promise<MachineAnswer<'saveState'>> {
  // On this thread, as everything that stands between a guest and its next instruction: a wake-up more costs as much again.
  const state = machine.saveStreamSync();
  const departure = await connection();
  await departure.write(state, timeoutMs);
  return { bytes: state.length };
}

function loadAhead(machine: KvmMachine, stream: Uint8Array, clock: 'wall' | 'stopped'): boolean {
  try {
    return machine.loadStreamAheadSync(stream, clock);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'native-peer-violation')) throw error;
    throw new Refusal('state-refused', `The state cannot be read: ${error.message}.`, error);
  }
}

/** Where pausing fails the pause stays asked for; a failed one changes nothing. */
async function orGoOn<T>(machine: KvmMachine, pausing: Promise<T>): Promise<T> {
  try {
    return await pausing;
  } catch (error) {
    if (machine.state === 'running') machine.resume();
    throw error;
  }
}

function stillness(machine: KvmMachine): 'paused' | 'ended' {
  return machine.state === 'ended' ? 'ended' : 'paused';
}
