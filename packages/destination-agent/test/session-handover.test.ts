import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { DEFAULT_DESTINATION_DEADLINES } from '../src/deadlines.js';
import { destinationErrors } from '../src/errors.js';
import { Session } from '../src/session.js';
import { INSTANCE_ID, MIGRATION_ID } from './world/messages.js';
import { RecordingHost } from './world/recording-host.js';

const lost = destinationErrors.error('source-lost', 'gone');

/** What goes on by itself has come to its end. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await turn();
}

/** A session that waits in READY for epoch 6, and everything that happens to it in order. */
function ready() {
  const host = new RecordingHost();
  host.records = { outcome: 'ready', epoch: 6n };
  const vmm = host.makeVmm();
  const deadlines = { ...DEFAULT_DESTINATION_DEADLINES, resumeMs: 0 };
  const identity = { migrationId: MIGRATION_ID, instanceId: INSTANCE_ID, epoch: 6n };
  return { host, vmm, session: new Session(host, deadlines, identity, vmm) };
}

describe('a migration in READY', () => {
  it('journals OWNED, then lets the guest run, then says so (R4)', async () => {
    const { host, session } = ready();
    await session.commit(6n);
    await vi.waitFor(() => expect(host.log).toEqual(['owned 6', 'resume', 'announce', 'ended completed']));
  });

  it('leaves the processor to the guest first, unless the agent stops', async () => {
    const { host, session } = ready();
    await session.commit(6n);
    await settled();
    expect(host.log).toEqual(['owned 6', 'resume', 'announce']);
    await session.stop(lost);
    expect(host.log).toEqual(['owned 6', 'resume', 'announce', 'ended completed']);
  });

  it.each([5n, 7n, 0n])('takes a COMMIT of epoch %s for a violation, not for permission', async (epoch) => {
    const { host, session } = ready();
    await expect(session.commit(epoch)).rejects.toMatchObject({ code: 'handover-epoch-wrong' });
    expect(session.state).toBe('ready');
    expect(host.log).toEqual([]);
  });

  it('answers a COMMIT that comes twice twice, and resumes once', async () => {
    const { host, session } = ready();
    await Promise.all([session.commit(6n), session.commit(6n)]);
    await session.commit(6n);
    expect(host.log.filter((entry) => entry === 'owned 6')).toHaveLength(1);
    expect(host.log.filter((entry) => entry === 'resume')).toHaveLength(1);
  });

  it('stays as it is when the source is lost (R4)', () => {
    const { host, session } = ready();
    session.controlLost(lost);
    expect(session.state).toBe('ready');
    expect(host.log).toEqual([]);
  });

  it('never owns a VMM that is gone, although nobody was told of its end: the source can go on (R2)', async () => {
    const { host, session, vmm } = ready();
    Object.assign(vmm, { isGone: () => true });
    await expect(session.commit(6n)).rejects.toMatchObject({ code: 'destination-vmm-ended' });
    expect(host.log).toEqual(['aborted', 'destroy', 'ended failed']);
    await expect(session.commit(6n)).rejects.toMatchObject({ code: 'handover-not-allowed' });
  });

  it('journals ABORTED before the VMM goes, and answers a second ABORT as well (R4)', async () => {
    const { host, session } = ready();
    await session.abort({ message: 'cancelled' });
    await session.abort({ message: 'cancelled' });
    expect(host.log).toEqual(['aborted', 'destroy', 'ended cancelled']);
    await expect(session.commit(6n)).rejects.toMatchObject({ code: 'handover-not-allowed' });
  });

  it('stays in READY while ABORTED cannot be journaled, and can still be committed', async () => {
    const { host, session } = ready();
    host.journalFails = true;
    await expect(session.abort({ message: 'cancelled' })).rejects.toMatchObject({
      code: 'destination-journal-failed',
    });
    expect(session.state).toBe('ready');
    host.journalFails = false;
    await session.commit(6n);
    expect(host.log.slice(0, 2)).toEqual(['owned 6', 'resume']);
  });

  it('does not let the guest run while OWNED cannot be journaled', async () => {
    const { host, session } = ready();
    host.journalFails = true;
    await expect(session.commit(6n)).rejects.toMatchObject({ code: 'destination-journal-failed' });
    expect([session.state, host.log]).toEqual(['ready', []]);
  });

  it('refuses an ABORT after a COMMIT', async () => {
    const { session } = ready();
    await session.commit(6n);
    await expect(session.abort({ message: 'too late' })).rejects.toMatchObject({
      code: 'handover-not-allowed',
    });
  });

  it('aborts by itself when its VMM ended: it could never run (R2)', async () => {
    const { host, vmm, session } = ready();
    vmm.end();
    await settled();
    await expect(session.commit(6n)).rejects.toMatchObject({ code: 'handover-not-allowed' });
    expect(host.log).toEqual(['aborted', 'destroy', 'ended failed']);
  });

  it('says that it owns an instance whose VMM does not resume, and tries again when asked', async () => {
    const { host, vmm, session } = ready();
    vmm.resumeFails = true;
    await expect(session.commit(6n)).rejects.toMatchObject({ code: 'destination-resume-failed' });
    await settled();
    vmm.resumeFails = false;
    await session.commit(6n);
    await settled();
    expect(host.log).toEqual(['owned 6', 'ended completed', 'resume', 'announce']);
  });
});

describe('whatever comes to a migration in READY, in whatever order', () => {
  const happenings = [
    'commit',
    'stale commit',
    'abort',
    'control lost',
    'vmm ends',
    'journal breaks',
    'journal mends',
  ] as const;

  it('the guest runs only after OWNED is on disk, once, and never after ABORTED (R1, R4)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...happenings), fc.boolean()), { maxLength: 12 }),
        async (story) => {
          const { host, vmm, session } = ready();
          const pending: Promise<unknown>[] = [];
          const start = (work: Promise<unknown>) => pending.push(work.catch(() => {}));
          for (const [happening, wait] of story) {
            if (happening === 'commit') start(session.commit(6n));
            if (happening === 'stale commit') start(session.commit(5n));
            if (happening === 'abort') start(session.abort({ message: 'off' }));
            if (happening === 'control lost') session.controlLost(lost);
            if (happening === 'vmm ends') vmm.end();
            if (happening === 'journal breaks') host.journalFails = true;
            if (happening === 'journal mends') host.journalFails = false;
            if (wait) await turn();
          }
          await Promise.all(pending);
          await settled();
          const at = (entry: string) => host.log.indexOf(entry);
          const resumes = host.log.filter((entry) => entry === 'resume');
          expect(resumes.length).toBeLessThanOrEqual(1);
          if (resumes.length === 1) expect(at('owned 6')).toBeGreaterThanOrEqual(0);
          if (resumes.length === 1) expect(at('owned 6')).toBeLessThan(at('resume'));
          expect(at('owned 6') >= 0 && at('aborted') >= 0).toBe(false);
          if (at('destroy') >= 0) expect(at('aborted')).toBeLessThan(at('destroy'));
          expect(host.log.filter((entry) => entry.startsWith('ended')).length).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('an operator who declares the source of a migration in READY lost', () => {
  it('has the guest run here: OWNED at the epoch of the handover first (R1, R4)', async () => {
    const { host, session } = ready();
    await session.decide('take-over', 'its power is off');
    await vi.waitFor(() => expect(host.log).toEqual(['owned 6', 'resume', 'announce', 'ended completed']));
    // Should the source come back, its COMMIT is answered, and its ABORT is not.
    expect(await session.commit(6n)).toMatchObject({ resumeMs: expect.any(Number) });
    await expect(session.abort({ message: 'late' })).rejects.toMatchObject({ code: 'handover-not-allowed' });
  });

  it('has it given up: ABORTED first, then the VMM goes; a COMMIT that comes later is no permission (R1, R4)', async () => {
    const { host, session } = ready();
    await session.decide('give-up', 'restored from a backup');
    expect(host.log).toEqual(['aborted', 'destroy', 'ended failed']);
    expect(host.endings.at(-1)).toMatchObject({ error: { code: 'source-declared-lost' } });
    await expect(session.commit(6n)).rejects.toMatchObject({ code: 'handover-not-allowed' });
  });

  it('is heard once: what was decided the other way is refused', async () => {
    const { session } = ready();
    const both = [session.decide('give-up', 'a'), session.decide('take-over', 'b')];
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('is told where the journal cannot take it, and may decide again (R4)', async () => {
    const { host, session } = ready();
    host.journalFails = true;
    await expect(session.decide('take-over', 'x')).rejects.toMatchObject({
      code: 'destination-journal-failed',
    });
    expect(host.log).toEqual([]);
    host.journalFails = false;
    await session.decide('take-over', 'x');
    expect(host.log.slice(0, 2)).toEqual(['owned 6', 'resume']);
  });
});
