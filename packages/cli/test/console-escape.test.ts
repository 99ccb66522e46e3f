import { describe, expect, it } from 'vitest';
import { splitAtEscape } from '../src/console/escape.js';

describe('the console escape', () => {
  it('passes everything on that holds no Ctrl-]', () => {
    const typed = Buffer.from('ls\r\u0003\u001b[A');
    expect(splitAtEscape(typed)).toEqual({ before: typed, escaped: false });
  });

  it('passes on what came before Ctrl-] and drops what came after', () => {
    const { before, escaped } = splitAtEscape(Buffer.from('ab\u001dcd'));
    expect(Buffer.from(before).toString()).toBe('ab');
    expect(escaped).toBe(true);
  });
});
