import { checkShape, parseStrictJson } from '@drover/types';
import { type CodecError, type DecodeResult, decoded, refused } from '../codec/result.js';
import { protocolErrors } from '../errors.js';
import { type ControlFrame, encodeControlFrame } from './control-frame.js';
import { type ControlMessageInput, controlMessages, type ReceivedMessage } from './messages.js';
import { type ControlName, ControlType, OPTIONAL_BIT, PeerLimits, type PeerVersion } from './registry.js';

/** No two versions give a name to another number. */
const nameOfType = new Map<number, ControlName>(
  Object.entries(ControlType).map(([name, type]) => [type, name as ControlName]),
);

const limits = { maxBytes: PeerLimits.controlPayloadBytes, maxDepth: PeerLimits.jsonDepth };

/**
 * A frame with its payload checked by the table of `version`; null for an optional frame that this release does not know, which
 * is skipped. Never throws.
 */
export function decodeControlMessage<V extends PeerVersion>(
  version: V,
  frame: ControlFrame,
): DecodeResult<ReceivedMessage<ControlName, V> | null> {
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
  const shape = checkShape<unknown>(controlMessages[version][name].schema, json.value, name);
  if (!shape.ok) return wrong('message', `has the wrong shape: ${shape.sentence}`);
  return decoded({ name, version, message: shape.value } as ReceivedMessage<ControlName, V>);
}

/** A whole frame. Errors: `message-unsendable` when the message is not what this version allows; a mistake of this side. */
export function encodeControlMessage<Name extends ControlName, V extends PeerVersion>(
  version: V,
  name: Name,
  message: ControlMessageInput<Name, V>,
  sequence: number,
): Uint8Array {
  const { schema, type } = controlMessages[version][name];
  const shape = checkShape<unknown>(schema, message, name);
  if (!shape.ok) {
    throw protocolErrors.error('message-unsendable', `The message ${name} was not sent: ${shape.sentence}.`);
  }
  try {
    const payload = new TextEncoder().encode(JSON.stringify(message));
    return encodeControlFrame({ type, sequence, payload });
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw protocolErrors.error('message-unsendable', `The message ${name} was not sent: ${reason}.`, thrown);
  }
}
