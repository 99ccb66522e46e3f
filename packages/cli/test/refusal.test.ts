import { describe, expect, it } from 'vitest';
import { wasRefused } from '../src/migration/refusal.js';
import { completed, failed, migration, refused } from './support/documents.js';

function failedIn(phase: 'connecting' | 'preparing' | 'rounds' | 'switchover', code: string) {
  return migration({ state: 'failed', phase, error: { code, message: 'It failed.', retryable: false } });
}

describe('a migration that was refused', () => {
  it('is one that somebody turned down before a page was sent (R7)', () => {
    expect(wasRefused(refused)).toBe(true);
    expect(wasRefused(failedIn('connecting', 'peer-version-unknown'))).toBe(true);
    expect(wasRefused(failedIn('connecting', 'blocker-vfio'))).toBe(true);
    expect(wasRefused(failedIn('preparing', 'memory-insufficient'))).toBe(true);
  });

  it.each(['peer-unreachable', 'peer-closed', 'peer-silent', 'guest-ended', 'native-connection-lost'])(
    'is not one that failed with %s while the agents found together',
    (code) => {
      expect(wasRefused(failedIn('connecting', code))).toBe(false);
    },
  );

  it('is not one that failed later, or did not fail', () => {
    expect(wasRefused(failed)).toBe(false);
    expect(wasRefused(failedIn('switchover', 'identity-mismatch'))).toBe(false);
    expect(wasRefused(completed)).toBe(false);
  });
});
