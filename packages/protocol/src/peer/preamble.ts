import { constant, reserved, u16, u32 } from '../codec/field.js';
import { type DecodeResult, decoded } from '../codec/result.js';
import { struct } from '../codec/struct.js';
import { PeerLimits, PREAMBLE_FORMAT, PREAMBLE_MAGIC, Role, type RoleName } from './registry.js';
import type { VersionWindow } from './version.js';

/** The first bytes in both directions of every connection: who may speak which versions, in which role. */
export interface Preamble extends VersionWindow {
  readonly role: RoleName;
}

const roleNames = new Map(Object.entries(Role).map(([name, number]) => [number as number, name as RoleName]));

export const preambleStruct = struct({
  name: 'preamble',
  size: PeerLimits.preambleBytes,
  checksum: false,
  fields: {
    magic: constant(u32(0, 'magic 0x52565244, the bytes "DRVR"'), PREAMBLE_MAGIC, 'magic'),
    format: constant(u16(4, 'format, 1'), PREAMBLE_FORMAT, 'format'),
    oldest: u16(6, 'oldest protocol version that the speaker speaks'),
    newest: u16(8, 'newest protocol version that the speaker speaks'),
    role: u16(10, 'role: 1 control, 2 bulk, 3 fault'),
    reserved: reserved(12, 4),
  },
  rules: ({ oldest, newest, role }) => {
    if (oldest === 0) return { field: 'oldest', code: 'window', message: 'is 0; versions begin at 1' };
    if (oldest > newest) {
      return { field: 'newest', code: 'window', message: `is ${newest}, below the oldest, ${oldest}` };
    }
    if (!roleNames.has(role)) return { field: 'role', code: 'role', message: `is ${role}, which is no role` };
    return null;
  },
});

/** 16 bytes. */
export function encodePreamble({ oldest, newest, role }: Preamble): Uint8Array {
  return preambleStruct.encode({ oldest, newest, role: Role[role] });
}

/** Never throws, whatever the peer sent. */
export function decodePreamble(bytes: Uint8Array): DecodeResult<Preamble> {
  const result = preambleStruct.decode(bytes);
  if (!result.ok) return result;
  const { oldest, newest, role } = result.value;
  return decoded({ oldest, newest, role: roleNames.get(role) as RoleName });
}
