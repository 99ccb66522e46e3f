/** Every wire format that Drover speaks. `@drover/protocol/agent` is the part without Node. */
export * from './agent/index.js';
export type { CodecError, CodecProblem, DecodeResult } from './codec/result.js';
export { crc32c } from './crc32c.js';
export { PeerRefusal, protocolErrors } from './errors.js';
export { type AcceptControlOptions, type AcceptControlResult, acceptControl } from './peer/accept.js';
export {
  type BulkFrameHeader,
  bulkPayloadBytes,
  decodeBulkFrameHeader,
  encodeBulkFrameHeader,
} from './peer/bulk-frame.js';
export { type BulkHello, decodeBulkHello, encodeBulkHello } from './peer/bulk-hello.js';
export { closeGently } from './peer/closing.js';
export { type ConnectControlOptions, connectControl } from './peer/connect.js';
export {
  ControlChannel,
  type ControlChannelOptions,
  type ControlChannelSettings,
  type ExpectOptions,
  type ToldMessage,
} from './peer/control-channel.js';
export {
  type ControlDecoded,
  type ControlFrame,
  ControlFrameDecoder,
  encodeControlFrame,
} from './peer/control-frame.js';
export { decodeControlMessage, encodeControlMessage } from './peer/control-message.js';
export * from './peer/messages.js';
export * from './peer/messages-v1.js';
export { decodePreamble, encodePreamble, type Preamble } from './peer/preamble.js';
export * from './peer/registry.js';
export { agreeVersion, OUR_VERSIONS, type VersionAgreement, type VersionWindow } from './peer/version.js';
