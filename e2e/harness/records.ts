/** Reads the records that a guest kept on a disk; what a record holds is in `native/guest/page.h`. */

const PAGE_BYTES = 4096;
const LIVE_WORDS = 8;
const LIVE_STRIDE = 128;

/** The records of the first `count` blocks that are not whole, one sentence each. */
export function brokenRecords(image: Buffer, count: number): string[] {
  return Array.from({ length: count }, (_, block) => wrongIn(image, block)).flatMap((wrong, block) =>
    wrong === null ? [] : [`record ${block}: ${wrong}`],
  );
}

function wrongIn(image: Buffer, block: number): string | null {
  const at = block * PAGE_BYTES;
  const word = (index: number) => image.readUInt32LE(at + index * 4);
  const counter = word(1);
  if (counter === 0) return 'was never written';
  const want = pageWords(block, counter);
  const wrong = want.findIndex((expected, index) => word(index) !== expected);
  return wrong < 0 ? null : `word ${wrong} is ${word(wrong)}, not ${want[wrong]} (counter ${counter})`;
}

function pageWords(index: number, counter: number): number[] {
  const seed = (Math.imul(index, 0x9e3779b1) ^ (Math.imul(counter, 0x85ebca77) + 0x165667b1)) >>> 0;
  const words: number[] = [];
  let still = (Math.imul(index, 0x85ebca77) + 0x9e3779b1) >>> 0;
  for (let word = 0; word < PAGE_BYTES / 4; word += 1) {
    words.push(still);
    still = (Math.imul(still, 1_664_525) + 1_013_904_223) >>> 0;
  }
  let sum = 0;
  for (let k = 0; k < LIVE_WORDS; k += 1) {
    const live = (seed + Math.imul(k, 0x27d4eb2f)) >>> 0;
    words[k * LIVE_STRIDE + LIVE_STRIDE - 1] = live;
    sum = (sum + live) >>> 0;
  }
  const mixed = (index + (((counter << 16) | (counter >>> 16)) >>> 0)) >>> 0;
  words[0] = index;
  words[1] = counter;
  words[2] = (sum ^ mixed) >>> 0;
  return words;
}
