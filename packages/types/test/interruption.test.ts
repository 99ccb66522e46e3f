import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { typesErrors } from '../src/codes.js';
import { Interruption, withDeadline } from '../src/interruption.js';

const first = typesErrors.error('spec-invalid', 'first');
const second = typesErrors.error('document-invalid', 'second');

describe('an interruption', () => {
  it('keeps its first reason', () => {
    const interruption = new Interruption();
    interruption.interrupt(first);
    interruption.interrupt(second);
    expect(interruption.reason).toBe(first);
  });

  it('ends a race that goes on, and one that begins later', async () => {
    const interruption = new Interruption();
    const race = interruption.race(new Promise(() => {}));
    interruption.interrupt(first);
    await expect(race).rejects.toBe(first);
    await expect(interruption.race(Promise.resolve(1))).rejects.toBe(first);
  });

  it('drops the failure of work that nobody waits for any more', async () => {
    const interruption = new Interruption();
    const race = interruption.race(sleep(5).then(() => Promise.reject(new Error('late'))));
    interruption.interrupt(first);
    await expect(race).rejects.toBe(first);
    await sleep(20);
  });

  it('follows signals and time until it is closed', async () => {
    const interruption = new Interruption();
    const cancel = new AbortController();
    interruption.follow(cancel.signal, () => first);
    interruption.after(5, () => first);
    interruption.close();
    cancel.abort();
    await sleep(15);
    interruption.interrupt(second);
    expect(interruption.reason).toBeNull();
  });

  it('heeds a signal that was aborted before', () => {
    const interruption = new Interruption();
    interruption.follow(AbortSignal.abort(), () => first);
    expect(interruption.reason).toBe(first);
  });

  it('can withdraw a time limit', async () => {
    const interruption = new Interruption();
    interruption.after(5, () => first)();
    await sleep(15);
    expect(interruption.reason).toBeNull();
  });
});

describe('a deadline', () => {
  it('lets work through that is in time, and fails work that is not', async () => {
    await expect(withDeadline(Promise.resolve(7), 1_000, () => first)).resolves.toBe(7);
    await expect(withDeadline(new Promise(() => {}), 5, () => first)).rejects.toBe(first);
  });
});
