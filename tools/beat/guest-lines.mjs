/**
 * The lines that a test guest prints; native/guest/README.md is their description.
 *
 * @typedef {{ kind: 'hello', pages: number, rate: number | 'max', tscKhz: number }} HelloLine
 * @typedef {{ kind: 'ready' }} ReadyLine
 * @typedef {{ kind: 'short-beat', low16: number }} ShortBeatLine `low16`: the counter's low 16 bits
 * @typedef {{ kind: 'beat', counter: number, writes: number, bad: number }} BeatLine
 * @typedef {{ kind: 'bad', what: 'page' | 'block' | 'kept' | 'read', index: number, counter: number, word: number, want: number, have: number }} BadLine
 *   what was wrong: a page of the working set, a disk block as read, a disk block kept in memory, or a read that failed
 * @typedef {{ kind: 'verified', ok: boolean, pages: number, bad: number }} VerifiedLine
 * @typedef {{ kind: 'disk', blocksRead: number, blocksChecked: number }} DiskLine
 * @typedef {{ kind: 'refused', reason: string }} RefusedLine
 * @typedef {{ kind: 'panic', text: string }} PanicLine The guest's kernel, or the bare guest, gave up.
 * @typedef {{ kind: 'other', text: string }} OtherLine
 * @typedef {HelloLine | ReadyLine | ShortBeatLine | BeatLine | BadLine | VerifiedLine | DiskLine | RefusedLine | PanicLine | OtherLine} GuestLine
 */

const SHORT_BEAT = /^b([0-9a-f]{4})$/;
const BEAT = /^B ([0-9a-f]{1,16}) ([0-9a-f]{1,16}) ([0-9a-f]{1,8})$/;
const HELLO = /^DROVER-GUEST 1 pages=(\d+) rate=(\d+|max) tsc-khz=(\d+)$/;
const BAD =
  /^BAD (page|block|kept|read)=(\d+) counter=(\d+) word=(\d+) want=([0-9a-f]{8}) have=([0-9a-f]{8})$/;
const VERIFIED = /^V (ok|bad) pages=(\d+) bad=(\d+)$/;
const DISK = /^D ([0-9a-f]{1,16}) ([0-9a-f]{1,16})$/;
const REFUSED = /^DROVER-GUEST refused: (.+)$/;
const PANIC = /Kernel panic|^DROVER-GUEST exception$/;

/** @param {string | undefined} digits */
const hex = (digits) => Number.parseInt(digits ?? '', 16);

/** @type {readonly (readonly [RegExp, (fields: string[]) => GuestLine])[]} */
const FORMS = [
  [SHORT_BEAT, ([low]) => ({ kind: 'short-beat', low16: hex(low) })],
  [
    BEAT,
    ([counter, writes, bad]) => ({ kind: 'beat', counter: hex(counter), writes: hex(writes), bad: hex(bad) }),
  ],
  [DISK, ([read, checked]) => ({ kind: 'disk', blocksRead: hex(read), blocksChecked: hex(checked) })],
  [/^READY$/, () => ({ kind: 'ready' })],
  [
    HELLO,
    ([pages, rate, khz]) => ({
      kind: 'hello',
      pages: Number(pages),
      rate: rate === 'max' ? rate : Number(rate),
      tscKhz: Number(khz),
    }),
  ],
  [
    BAD,
    ([what, index, counter, word, want, have]) => ({
      kind: 'bad',
      what: /** @type {BadLine['what']} */ (what),
      index: Number(index),
      counter: Number(counter),
      word: Number(word),
      want: hex(want),
      have: hex(have),
    }),
  ],
  [
    VERIFIED,
    ([verdict, pages, bad]) => ({
      kind: 'verified',
      ok: verdict === 'ok',
      pages: Number(pages),
      bad: Number(bad),
    }),
  ],
  [REFUSED, ([reason]) => ({ kind: 'refused', reason: reason ?? '' })],
];

/**
 * @param {string} text One line without its newline; a carriage return before it is no part of it.
 * @returns {GuestLine}
 */
export function parseGuestLine(text) {
  const line = text.endsWith('\r') ? text.slice(0, -1) : text;
  for (const [form, make] of FORMS) {
    const match = form.exec(line);
    if (match) return make(match.slice(1));
  }
  return PANIC.test(line) ? { kind: 'panic', text: line } : { kind: 'other', text: line };
}
