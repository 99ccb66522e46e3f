/** Every wire format that Drover speaks. `@drover/protocol/agent` is the part without Node. */
export * from './agent/index.js';
export * as cloudHypervisor from './cloud-hypervisor/index.js';
export { CLOUD_HYPERVISOR_WIRE_VERSIONS } from './cloud-hypervisor/registry.js';
export type { CodecError, CodecProblem, DecodeResult } from './codec/result.js';
export { type CpuDefinition, cpuDefinitionV1 } from './cpu-definition.js';
export { crc32c } from './crc32c.js';
export * from './doorbell/index.js';
export { PeerRefusal, protocolErrors } from './errors.js';
export { httpApis } from './http-apis.js';
export { LineSplitter } from './line-splitter.js';
export * from './machine/index.js';
export { type AcceptControlOptions, type AcceptControlResult, acceptControl } from './peer/accept.js';
export {
  type BulkFrameHeader,
  bulkPayloadBytes,
  decodeBulkFrameHeader,
  encodeBulkFrameHeader,
} from './peer/bulk-frame.js';
export { type BulkHello, decodeBulkHello, encodeBulkHello } from './peer/bulk-hello.js';
export { checkCapabilities, chooseCapabilities, sayCapabilities } from './peer/capabilities.js';
export { closeGently } from './peer/closing.js';
export { type ConnectControlOptions, connectControl } from './peer/connect.js';
export {
  type AnyControlChannel,
  ControlChannel,
  type ControlChannelOptions,
  type ControlChannelSettings,
  type ExpectOptions,
  openControlChannel,
  type ToldMessage,
} from './peer/control-channel.js';
export {
  type ControlDecoded,
  type ControlFrame,
  ControlFrameDecoder,
  encodeControlFrame,
} from './peer/control-frame.js';
export { decodeControlMessage, encodeControlMessage } from './peer/control-message.js';
export {
  checkDeviceStates,
  DEVICE_STATE_KINDS,
  type HostName,
  type WrittenDeviceStates,
} from './peer/device-states.js';
export { checkPageSize, exchangeHellos, type PeerHello, type PeerSide } from './peer/hello.js';
export * from './peer/messages.js';
export { decodePreamble, encodePreamble, type Preamble } from './peer/preamble.js';
export * from './peer/registry.js';
export { roundDigest } from './peer/round-digest.js';
export {
  agreeVersion,
  selectPeerVersions,
  type VersionAgreement,
  type VersionWindow,
  windowOf,
} from './peer/version.js';
export * from './public/index.js';
export { type QmpAnswer, type QmpCommandName, qmpCommands } from './qmp/commands.js';
export { isGuestReset, isGuestShutdown, migrationEnd } from './qmp/events.js';
export {
  encodeQmpCommand,
  parseQmpLine,
  QMP_LINE_BYTES,
  type QmpCommandLine,
  type QmpEvent,
  type QmpMessage,
} from './qmp/message.js';
export { releaseCompatibility } from './release-compatibility.js';
export { SHIM_SOCKET_PATH_BYTES, SHIM_SOCKET_VARIABLE, SHIM_SUCCESS } from './shim/constants.js';
