import { askOutcome, type Outcome } from './ask-outcome.js';
import { openControl, type SourceSide } from './control.js';
import { DEFAULT_SOURCE_DEADLINES, type SourceDeadlines } from './deadlines.js';
import type { PeerAddress } from './migration.js';

export interface OutcomeRequest extends SourceSide {
  readonly migrationId: string;
  readonly instanceId: string;
  readonly destination: PeerAddress;
  readonly signal: AbortSignal;
  readonly deadlines?: Partial<SourceDeadlines>;
}

/** What a destination's journal says of a migration, asked once on a connection of its own. Rejects where it cannot be had. */
export async function queryOutcome(
  request: OutcomeRequest,
): Promise<{ readonly outcome: Outcome; readonly epoch: bigint }> {
  const deadlines = { ...DEFAULT_SOURCE_DEADLINES, ...request.deadlines };
  const { channel } = await openControl(request.destination, request, deadlines, request.signal);
  try {
    return await askOutcome(channel, request, deadlines.queryMs, request.signal);
  } finally {
    channel.close();
  }
}
