import { u16, u64 } from '../codec/field.js';
import { struct } from '../codec/struct.js';
import { ignored } from './ignored-field.js';
import { read, readStruct, refuse, type WireRead } from './refusal.js';
import { Command, type CommandName, Sizes, WIRE_LIMITS, type WireLimits } from './registry.js';

/** The header of everything that is asked for. The pages of a Memory request are not counted in `length`. */
export interface Request {
  readonly command: CommandName;
  /** The wire version of a Start; 0 in all others, whatever their bytes 2 and 3 were. */
  readonly version: number;
  /** Bytes of payload behind the header. */
  readonly length: number;
}

export const requestStruct = struct({
  name: 'request',
  size: Sizes.request,
  checksum: false,
  fields: {
    command: u16(0, 'command'),
    version: u16(2, 'Start: wire version; others: sent as zero, ignored'),
    ignored: ignored(4, 4),
    length: u64(8, 'length of the payload, bytes'),
  },
  rules: () => null,
});

const names = new Map(
  Object.entries(Command).map(([name, number]) => [number as number, name as CommandName]),
);

/** What `length` may be. `invalid` has no rule: it is refused for itself. */
type LengthRule =
  | { readonly exactly: number }
  | { readonly limit: keyof WireLimits; readonly multipleOf: number };

const lengthRules: Readonly<Record<Exclude<CommandName, 'invalid'>, LengthRule>> = {
  start: { exactly: 0 },
  config: { limit: 'configBytes', multipleOf: 1 },
  state: { limit: 'stateBytes', multipleOf: 1 },
  memory: { limit: 'tableBytes', multipleOf: Sizes.range },
  complete: { exactly: 0 },
  abandon: { exactly: 0 },
  memoryFd: { exactly: Sizes.slot },
  completePaused: { exactly: 0 },
  pageFault: { exactly: Sizes.range },
};

/** 16 bytes. Throws a RangeError for a version that is no u16 or a length that is no whole number. */
export function encodeRequest({ command, version, length }: Request): Uint8Array {
  return requestStruct.encode({ command: Command[command], version, length: BigInt(length) });
}

/** Never throws, whatever was sent. Refused as `truncated`, `command` (not known), `length` (see SPEC.md). */
export function decodeRequest(bytes: Uint8Array, limits: WireLimits = WIRE_LIMITS): WireRead<Request> {
  const header = readStruct(requestStruct.decode(bytes));
  if (!header.ok) return header;
  const { command: number, version, length } = header.value;
  const command = names.get(number);
  if (command === undefined) {
    return refuse('command', 'request.command', 0, `is ${number}, which is no command known here`);
  }
  const wrong = command === 'invalid' ? null : wrongLength(length, lengthRules[command], limits);
  if (wrong !== null) return refuse('length', 'request.length', 8, `of ${command} ${wrong}`);
  const taken = command === 'invalid' ? 0 : Number(length);
  return read({ command, version: command === 'start' ? version : 0, length: taken });
}

function wrongLength(length: bigint, rule: LengthRule, limits: WireLimits): string | null {
  if ('exactly' in rule) return length === BigInt(rule.exactly) ? null : `is ${length}, not ${rule.exactly}`;
  const limit = limits[rule.limit];
  if (length > BigInt(limit)) return `is ${length}, above ${limit}`;
  return length % BigInt(rule.multipleOf) === 0n ? null : `is ${length}, no multiple of ${rule.multipleOf}`;
}
