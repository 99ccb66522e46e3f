import { checkShape, parseStrictJson } from '@drover/types';
import { type CodecError, type DecodeResult, decoded, refused } from '../codec/result.js';
import { protocolErrors } from '../errors.js';
import { type ControlFrame, encodeControlFrame } from './control-frame.js';
import { type ControlMessageInput, controlMessages, type ReceivedMessage } from './messages.js';
import { type ControlName, OPTIONAL_BIT, PeerLimits } from './registry.js';

const nameOfType = new Map(
  Object.entries(controlMessages).map(([name, { type }]) => [type, name as ControlName]),
);

const limits = { maxBytes: PeerLimits.controlPayloadBytes, maxDepth: PeerLimits.jsonDepth };

/** A frame with its payload checked; null for an optional frame that this release does not know, which is skipped. */
export function decodeControlMessage(frame: ControlFrame): DecodeResult<ReceivedMessage | null> {
  const name = nameOfType.get(frame.type);
  if (name === undefined) {
    if ((frame.type & OPTIONAL_BIT) !== 0) return decoded(null);
    const message = `is 0x${frame.type.toString(16).padStart(4, '0')}, which this release does not know`;
    return refused({ code: 'type', path: 'control-frame.type', offset: 0, message });
  }
  const wrong = (code: CodecError['code'], message: string) =>
    refused({ code, path: name, offset: PeerLimits.controlHeaderBytes, message });

  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(frame.payload);
  } catch {
    return wrong('utf8', 'is not UTF-8');
  }
  const json = parseStrictJson(text, limits);
  if (!json.ok) return wrong('json', json.message);
  const shape = checkShape(controlMessages[name].schema, json.value, name);
  if (!shape.ok) return wrong('message', `has the wrong shape: ${shape.sentence}`);
  return decoded({ name, message: shape.value } as ReceivedMessage);
}

/** A whole frame. Errors: `message-unsendable` when the message is not what the protocol allows; a mistake of this side. */
export function encodeControlMessage<Name extends ControlName>(
  name: Name,
  message: ControlMessageInput<Name>,
  sequence: number,
): Uint8Array {
  const shape = checkShape(controlMessages[name].schema, message, name);
  if (!shape.ok) {
    throw protocolErrors.error('message-unsendable', `The message ${name} was not sent: ${shape.sentence}.`);
  }
  try {
    const payload = new TextEncoder().encode(JSON.stringify(message));
    return encodeControlFrame({ type: controlMessages[name].type, sequence, payload });
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw protocolErrors.error('message-unsendable', `The message ${name} was not sent: ${reason}.`, thrown);
  }
}
