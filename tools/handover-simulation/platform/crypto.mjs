/** `node:crypto` of the code under test. */
import { createHash } from 'node:crypto';
import { world } from './current.mjs';

export const randomUUID = () => world().random.uuid();
/** @param {number} size */
export const randomBytes = (size) => world().random.bytes(size);
export { createHash };
