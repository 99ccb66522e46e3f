import { describe, expect, it } from 'vitest';
import { type Outcome, type Reaction, reactTo } from '../src/ask-outcome.js';

describe('a source that has relinquished at epoch 6', () => {
  it.each<[Outcome, bigint, Reaction]>([
    ['owned', 6n, 'finish'],
    ['owned', 9n, 'finish'],
    ['owned', 5n, 'ask-again'],
    ['aborted', 6n, 'take-back'],
    ['aborted', 0n, 'take-back'],
    ['ready', 6n, 'commit-again'],
    ['ready', 5n, 'ask-again'],
    ['ready', 7n, 'ask-again'],
    ['preparing', 6n, 'ask-again'],
    ['unknown', 0n, 'ask-again'],
  ])('told %s at epoch %s, decides to %s (R4)', (outcome, epoch, reaction) => {
    expect(reactTo(outcome, epoch, 6n)).toBe(reaction);
  });
});
