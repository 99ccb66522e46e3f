import { u32 } from '../codec/field.js';
import { struct } from '../codec/struct.js';
import { read, readStruct, type WireRead } from './refusal.js';
import { Sizes } from './registry.js';

/** The payload of MemoryFd: sent in one message with exactly one descriptor, which is beside these bytes and not in them. */
export const memorySlotStruct = struct({
  name: 'memory-fd',
  size: Sizes.slot,
  checksum: false,
  fields: { slot: u32(0, 'memory slot') },
  rules: () => null,
});

/** 4 bytes. */
export function encodeSlot(slot: number): Uint8Array {
  return memorySlotStruct.encode({ slot });
}

/** Never throws. Refused as `truncated`. */
export function decodeSlot(bytes: Uint8Array): WireRead<number> {
  const value = readStruct(memorySlotStruct.decode(bytes));
  return value.ok ? read(value.value.slot) : value;
}
