import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createUrgency, native } from '../index.js';
import { holdUrgency, Urgency } from '../urgent.js';

describe('urgency', () => {
  const calls: string[] = [];
  const addon = {
    beginUrgency: () => void calls.push('begin'),
    endUrgency: () => void calls.push('end'),
  };
  beforeEach(() => {
    calls.length = 0;
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('begins with the first holder and ends with the last, each ending once', () => {
    const first = holdUrgency(addon);
    const second = holdUrgency(addon);
    first();
    first();
    expect(calls).toEqual(['begin']);
    second();
    expect(calls).toEqual(['begin', 'end']);
  });

  it('of a holder that forgets it ends after a second (R12)', () => {
    const end = holdUrgency(addon);
    vi.advanceTimersByTime(999);
    expect(calls).toEqual(['begin']);
    vi.advanceTimersByTime(1);
    expect(calls).toEqual(['begin', 'end']);
    end();
    expect(calls).toEqual(['begin', 'end']);
  });

  it('begun again goes on for a second more without a moment between', () => {
    const urgency = new Urgency(() => holdUrgency(addon));
    urgency.begin();
    vi.advanceTimersByTime(900);
    urgency.begin();
    vi.advanceTimersByTime(900);
    expect(calls).toEqual(['begin']);
    urgency.end();
    urgency.end();
    expect(calls).toEqual(['begin', 'end']);
  });

  it('that is not permitted costs nothing but time', () => {
    const refusing = {
      ...addon,
      beginUrgency: () => {
        throw new Error('EPERM');
      },
    };
    holdUrgency(refusing)();
    expect(calls).toEqual(['end']);
  });

  it('of the real addon begins and ends, or says by a code why not', () => {
    const urgency = createUrgency();
    urgency.begin();
    urgency.end();
    try {
      native().beginUrgency();
    } catch (error) {
      expect(error).toMatchObject({ code: 'native-permission' });
    } finally {
      native().endUrgency();
    }
  });
});
