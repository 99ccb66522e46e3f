import { native } from '@drover/native';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Destination } from './world/destination.js';

const soon = { timeoutMs: 10_000 };
/** Shorter than the round of the first test. */
const PATIENCE_MS = 400;
const CONTENT = Buffer.alloc(3 << 20, 0x5a);
const BYTES_PER_SECOND = 2_000_000n;

/** A source that has its guest paused, and says so before the last round. */
async function switchingOver() {
  const destination = new Destination(2, { deadlines: { lastRoundMs: PATIENCE_MS } });
  onTestFinished(() => destination.close());
  const channel = await destination.prepare();
  const { message } = await channel.expect(['prepared'], soon);
  const sender = await destination.openBulk(message.bulkToken, CONTENT);
  sender.setBandwidth(BYTES_PER_SECOND);
  await channel.send('switchover', { lastRound: 0, verify: false });
  return { destination, channel, sender };
}

describe('the last round', () => {
  it('may take as long as it needs while its pages come', async () => {
    const { destination, channel, sender } = await switchingOver();
    const startedAt = performance.now();
    await sender.sendRound(0, null, native().createBitmap(destination.memory()));
    expect(performance.now() - startedAt).toBeGreaterThan(2 * PATIENCE_MS);
    await destination.sendState();
    await channel.expect(['ready'], soon);
  });

  it('that does not come ends the migration, and the source hears why (R12)', async () => {
    const { destination, channel } = await switchingOver();
    await expect(channel.expect(['ready'], soon)).rejects.toMatchObject({ code: 'bulk-receive-failed' });
    expect(destination.host.log).toContain('destroy');
  });
});
