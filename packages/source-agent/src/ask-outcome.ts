import type { ControlChannel, ControlMessage } from '@drover/protocol';

export type Outcome = ControlMessage<'outcome'>['outcome'];

/** What an answer to OUTCOME QUERY means for a source that has relinquished. */
export type Reaction = 'finish' | 'take-back' | 'commit-again' | 'ask-again';

/**
 * | the destination's journal says | the source |
 * | --- | --- |
 * | owned, at our epoch or a later one | finishes: the guest runs there, or has moved on from there |
 * | owned, at an older epoch | asks again: that is not this handover |
 * | aborted | takes back: the destination never owned it and never will |
 * | ready | sends COMMIT again: the first one was lost |
 * | preparing, unknown | asks again: a destination that lost its journal gives no permission (R4) |
 */
export function reactTo(outcome: Outcome, theirEpoch: bigint, handedOver: bigint): Reaction {
  switch (outcome) {
    case 'owned':
      return theirEpoch >= handedOver ? 'finish' : 'ask-again';
    case 'aborted':
      return 'take-back';
    case 'ready':
      return theirEpoch === handedOver ? 'commit-again' : 'ask-again';
    case 'preparing':
    case 'unknown':
      return 'ask-again';
  }
}

/** Asks on `channel`, after the hellos. */
export async function askOutcome(
  channel: ControlChannel,
  { migrationId, instanceId }: { readonly migrationId: string; readonly instanceId: string },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<{ readonly outcome: Outcome; readonly epoch: bigint }> {
  await channel.send('outcomeQuery', { migrationId, instanceId });
  const { message } = await channel.expect(['outcome'], { timeoutMs, signal });
  return { outcome: message.outcome, epoch: BigInt(message.epoch) };
}
