import { DEFAULT_DESTINATION_DEADLINES } from '@drover/destination-agent';
import { DEFAULT_SOURCE_DEADLINES } from '@drover/source-agent';
import { describe, expect, it } from 'vitest';
import { completeOptions } from '../src/options.js';
import { channelSettings, destinationDeadlines, sourceDeadlines } from '../src/peers/limits.js';
import { optionsIn } from './support/agent.js';

const limits = (change: object = {}) => completeOptions({ ...optionsIn('/x'), limits: change }).limits;

describe('the limits of an agent', () => {
  it('are those of both halves where nobody says otherwise', () => {
    expect({ ...DEFAULT_SOURCE_DEADLINES, ...sourceDeadlines(limits()) }).toEqual(DEFAULT_SOURCE_DEADLINES);
    expect({ ...DEFAULT_DESTINATION_DEADLINES, ...destinationDeadlines(limits()) }).toEqual(
      DEFAULT_DESTINATION_DEADLINES,
    );
    expect(channelSettings(limits())).toEqual({ keepaliveMs: 5_000, idleTimeoutMs: 20_000 });
  });

  it('reach the waits that they are about', () => {
    const set = limits({ stallMs: 700, switchoverMs: 3_000, connectMs: 1_000, retryMs: 60 });
    expect(sourceDeadlines(set)).toMatchObject({
      ...{ stallMs: 700, stateMs: 3_000, connectMs: 1_000, queryMs: 1_000, queryBackoffMs: [60, 60] },
    });
    expect(destinationDeadlines(set)).toMatchObject({ stallMs: 700, loadMs: 3_000, lastRoundMs: 3_000 });
  });

  it('refuse a silence that an idle peer could not avoid', () => {
    expect(() => limits({ keepaliveMs: 1_000, silenceMs: 1_500 })).toThrow(
      expect.objectContaining({
        code: 'agent-options-invalid',
        message: expect.stringContaining('silenceMs'),
      }),
    );
  });
});
