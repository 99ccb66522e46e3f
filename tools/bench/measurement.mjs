/** @import { BenchGuest } from './guest.mjs' */

/**
 * One run of one method.
 *
 * @typedef {object} Measurement
 * @property {number} totalMs From the command to the guest running on the destination, by this program's clock.
 *   Drover's has the making of the destination's VMM in it, which QEMU leaves to whoever calls it.
 * @property {number | null} bulkMs Drover's round 0; QEMU's total-time without set-up and downtime, which of an idle guest is the same. Null
 *   for post-copy, which has no bulk pass.
 * @property {number} dataBytes Pages that went as data in that time, 4096 bytes each.
 * @property {number | null} ownDowntimeMs What the method says of itself.
 * @property {number | null} downtimeMs As seen from outside; null for a lost guest.
 * @property {string | null} lost Why the guest counts as lost; null for one that is alive and right.
 */

/**
 * One way to move a guest. `move` starts the guest, moves it, and leaves nothing of it.
 *
 * @typedef {object} Method
 * @property {string} name
 * @property {string} title
 * @property {(guest: BenchGuest, signal: AbortSignal) => Promise<Measurement>} move
 * @property {() => Promise<void>} close
 */

export {};
