import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type cloudHypervisor, protocolErrors } from '../../src/index.js';

/** A slot of a small guest, as Cloud Hypervisor writes it. */
export function slotOf(slot: number, gpa: number | string, size: number, fileOffset = 0) {
  return { slot, gpa, size, zone_id: 'mem0', virtio_mem: false, file_offset: fileOffset };
}

/** A Config document for these slots; the rest of it is nobody's business here. */
export function configOf(slots: readonly ReturnType<typeof slotOf>[]): Uint8Array {
  const vm_config = { cpus: { boot_vcpus: 2 }, memory: { size: 1 } };
  const document = { vm_config, memory_manager_data: { guest_ram_mappings: slots, boot_ram: 1 } };
  return new TextEncoder().encode(JSON.stringify(document));
}

/** Guest memory in a file: what a page mover of a test works on. */
export class MemoryFile implements cloudHypervisor.PageSink, cloudHypervisor.PageSource {
  readonly descriptor: number;
  readonly #folder: string;
  memory: cloudHypervisor.GuestMemory | null = null;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'cloud-hypervisor-wire-'));
    this.descriptor = openSync(join(this.#folder, 'memory'), 'w+');
  }

  bytes(size: number): Buffer {
    const bytes = Buffer.alloc(size);
    readSync(this.descriptor, bytes, 0, size, 0);
    return bytes;
  }

  fill(bytes: Uint8Array, at = 0): void {
    writeSync(this.descriptor, bytes, 0, bytes.length, at);
  }

  async receive(table: cloudHypervisor.RangeTable, move: cloudHypervisor.PageMove): Promise<void> {
    for (const { at, length } of this.#pieces(table)) {
      const bytes = await move.wire.read(length, move.signal);
      if (bytes === null) throw protocolErrors.error('cloud-hypervisor-closed', 'ended between two pieces');
      writeSync(this.descriptor, bytes, 0, length, at);
      move.moved(length);
    }
  }

  async send(table: cloudHypervisor.RangeTable, move: cloudHypervisor.PageMove): Promise<void> {
    for (const { at, length } of this.#pieces(table)) {
      const bytes = Buffer.alloc(length);
      readSync(this.descriptor, bytes, 0, length, at);
      await move.wire.write(bytes, move.signal);
      move.moved(length);
    }
  }

  remove(): void {
    closeSync(this.descriptor);
    rmSync(this.#folder, { recursive: true });
  }

  *#pieces(table: cloudHypervisor.RangeTable): Generator<{ at: number; length: number }> {
    if (this.memory === null) throw new Error('pages before the configuration');
    for (const range of table) {
      for (const piece of this.memory.pieces(range)) {
        for (let done = 0; done < Number(piece.length); done += 65_536) {
          const length = Math.min(65_536, Number(piece.length) - done);
          yield { at: Number(piece.fileOffset) + done, length };
        }
      }
    }
  }
}

/** A guest of the receiver that keeps a record of what became of it. */
export class RecordedGuest implements cloudHypervisor.ReceivedGuest {
  readonly calls: string[] = [];
  readonly adopted = new Map<number, number>();
  config: Uint8Array | null = null;
  state: Uint8Array | null = null;
  /** Called in the middle of each step; what it throws is the step's. */
  during: (step: string) => Promise<void> = async () => undefined;

  constructor(readonly pages: cloudHypervisor.PageSink) {}

  adoptMemory(slot: number, descriptor: number): void {
    this.calls.push(`adopt ${slot}`);
    this.adopted.set(slot, descriptor);
  }

  async configure(config: Uint8Array, memory: cloudHypervisor.GuestMemory): Promise<void> {
    this.calls.push('configure');
    this.config = config;
    if (this.pages instanceof MemoryFile) this.pages.memory = memory;
    await this.during('configure');
  }

  async restore(state: Uint8Array): Promise<void> {
    this.calls.push('restore');
    this.state = state;
    await this.during('restore');
  }

  async complete(paused: boolean): Promise<void> {
    this.calls.push(paused ? 'stay paused' : 'run');
    await this.during('complete');
  }
}

/** Takes pages off the connection and forgets them. */
export const forgetfulPages: cloudHypervisor.PageSink = {
  async receive(table, { wire, signal, moved }) {
    for (const { length } of table) {
      if ((await wire.read(Number(length), signal)) === null && length > 0n) {
        throw protocolErrors.error('cloud-hypervisor-closed', 'ended between two ranges');
      }
      moved(Number(length));
    }
  },
};
