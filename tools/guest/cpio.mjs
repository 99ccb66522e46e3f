/**
 * A writer of "newc" cpio archives, the form in which Linux takes an initramfs:
 * https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
 */
const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
const TYPE_DIRECTORY = 0o040000;
const TYPE_FILE = 0o100000;

/**
 * @typedef {object} CpioEntry
 * @property {string} path Without a leading slash. A parent comes before what is in it.
 * @property {number} [mode] Permission bits; 0o755 unless told.
 * @property {Uint8Array} [data] A file's content; an entry without it is a directory.
 */

/** @param {number} value */
const field = (value) => value.toString(16).padStart(8, '0');

/** @param {number} length Bytes written so far. @returns {Buffer} Zeros up to the next multiple of 4. */
const padding = (length) => Buffer.alloc((4 - (length % 4)) % 4);

/**
 * @param {number} inode
 * @param {number} mode
 * @param {string} path
 * @param {Uint8Array} data
 */
function record(inode, mode, path, data) {
  const name = Buffer.from(`${path}\0`);
  const links = data.length === 0 && (mode & TYPE_DIRECTORY) === TYPE_DIRECTORY ? 2 : 1;
  // inode, mode, uid, gid, links, mtime, size, device and node numbers, length of the name, checksum (unused by newc)
  const numbers = [inode, mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(MAGIC + numbers.map(field).join(''));
  return [header, name, padding(header.length + name.length), data, padding(data.length)];
}

/**
 * The archive of `entries`, in their order; times and owners are 0, so that equal entries give equal bytes.
 *
 * @param {readonly CpioEntry[]} entries
 * @returns {Buffer}
 */
export function cpioArchive(entries) {
  const parts = entries.flatMap(({ path, mode = 0o755, data }, index) =>
    record(index + 1, mode | (data ? TYPE_FILE : TYPE_DIRECTORY), path, data ?? new Uint8Array()),
  );
  return Buffer.concat([...parts, ...record(0, 0, TRAILER, new Uint8Array())]);
}
