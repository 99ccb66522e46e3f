import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Sockets are made in it, whose paths have at most 107 bytes: a TMPDIR longer than this is not used. */
const TMPDIR_MAX = 40;

/**
 * A fresh directory for daemons and their sockets. The caller removes it.
 *
 * @param {string} prefix
 * @returns {Promise<string>}
 */
export function makeShortDirectory(prefix) {
  return mkdtemp(join(tmpdir().length > TMPDIR_MAX ? '/tmp' : tmpdir(), prefix));
}
