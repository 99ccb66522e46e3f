/** Cloud Hypervisor's migration wire, both ends; SPEC.md says the rest. */
export { readGuestMemory } from './config.js';
export { decodeConnectionRole, encodeConnectionRole } from './connection-role.js';
export { type Deadlines, WIRE_DEADLINES } from './deadline.js';
export { GuestMemory, type RamMapping, type RamPiece } from './guest-memory.js';
export { MemorySender } from './memory-sender.js';
export { decodeSlot, encodeSlot } from './memory-slot.js';
export { type PageFaultOptions, PageFaults, type ServedPages, servePageFaults } from './page-faults.js';
export { type MemoryRange, RangeTable } from './range-table.js';
export { readConnectionRole } from './read-role.js';
export {
  MigrationReceiver,
  type ReceivedGuest,
  type ReceiverOptions,
  type ReceiverProgress,
  type ReceiverResult,
} from './receiver.js';
export {
  acceptsVersion,
  type ReceiverState,
  type ReceiverStep,
  receiverSteps,
  stepReceiver,
} from './receiver-state.js';
export { type WireProblem, type WireRead, type WireRefusal, WireViolation } from './refusal.js';
export * from './registry.js';
export { decodeRequest, encodeRequest, type Request } from './request.js';
export { decodeResponse, encodeResponse, type Response } from './response.js';
export { MigrationSender, type SenderOptions } from './sender.js';
export { StreamWire } from './stream-wire.js';
export type { DescriptorPassing, PageMove, PageSink, PageSource, ReceivedDescriptor, Wire } from './wire.js';
