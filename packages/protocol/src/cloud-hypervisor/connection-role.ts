import { u16 } from '../codec/field.js';
import { struct } from '../codec/struct.js';
import { read, readStruct, refuse, type WireRead } from './refusal.js';
import { ConnectionRole, type ConnectionRoleName, Sizes } from './registry.js';

export const connectionRoleStruct = struct({
  name: 'connection-role',
  size: Sizes.role,
  checksum: false,
  fields: { role: u16(0, 'role') },
  rules: () => null,
});

/** 2 bytes: the first of every connection but the main one. Nothing answers them. */
export function encodeConnectionRole(role: ConnectionRoleName): Uint8Array {
  return connectionRoleStruct.encode({ role: ConnectionRole[role] });
}

/** Never throws. Refused as `truncated` or `role`; such a connection is dropped without an answer. */
export function decodeConnectionRole(bytes: Uint8Array): WireRead<ConnectionRoleName> {
  const header = readStruct(connectionRoleStruct.decode(bytes));
  if (!header.ok) return header;
  const { role } = header.value;
  if (role === ConnectionRole.precopyMemory) return read('precopyMemory');
  if (role === ConnectionRole.fault) return read('fault');
  return refuse('role', 'connection-role.role', 0, `is ${role}, which is no role known here`);
}
