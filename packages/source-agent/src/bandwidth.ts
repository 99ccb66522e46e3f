import type { RoundReport } from '@drover/types';

/** A round below this says more about latency than about bandwidth, bytes. */
const TELLING_BYTES = 1 << 20;

/**
 * Bytes a second that the channels carry: of the latest round that sent enough to tell, otherwise of all rounds together; 0
 * before anything was sent.
 */
export function measuredBandwidth(rounds: readonly Pick<RoundReport, 'wireBytes' | 'durationMs'>[]): number {
  for (let i = rounds.length - 1; i >= 0; i--) {
    const round = rounds[i];
    if (round && round.wireBytes >= TELLING_BYTES && round.durationMs > 0) {
      return (round.wireBytes * 1000) / round.durationMs;
    }
  }
  const bytes = rounds.reduce((sum, round) => sum + round.wireBytes, 0);
  const ms = rounds.reduce((sum, round) => sum + round.durationMs, 0);
  return ms > 0 ? (bytes * 1000) / ms : 0;
}
