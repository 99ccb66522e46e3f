import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BulkSender, native } from '@drover/native';
import { type ControlChannel, PEER_VERSIONS } from '@drover/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Prepare } from '../src/check-prepare.js';
import { Destination, type HelloChanges } from './world/destination.js';
import { INSTANCE_ID, MIGRATION_ID, prepareMessage } from './world/messages.js';

const soon = { timeoutMs: 5_000 };
const commit = { migrationId: MIGRATION_ID, epoch: '6' };
const abort = { migrationId: MIGRATION_ID, code: 'migration-cancelled', message: 'cancelled' };
const tornDown = ['aborted', 'destroy', 'ended failed'];
const query = { migrationId: MIGRATION_ID, instanceId: INSTANCE_ID };

describe.each([...PEER_VERSIONS])('in peer protocol %i', (version) => {
  let destination: Destination;
  beforeEach(() => {
    destination = new Destination(version);
  });
  afterEach(() => destination.close());

  async function eventually(condition: () => boolean): Promise<void> {
    const until = performance.now() + 5_000;
    while (!condition()) {
      if (performance.now() > until)
        throw new Error(`not within 5 s; happened: ${destination.host.log.join(', ')}`);
      await sleep(5);
    }
  }

  /** PREPARE on a fresh connection, up to the bulk channels. */
  async function prepared(
    changes: Partial<Prepare> = {},
  ): Promise<{ channel: ControlChannel; sender: BulkSender }> {
    const channel = await destination.prepare(changes);
    const { message } = await channel.expect(['prepared'], soon);
    return { channel, sender: await destination.openBulk(message.bulkToken) };
  }

  /** One round of everything, then SWITCHOVER. */
  async function switchedOver(verify: boolean): Promise<{ channel: ControlChannel; sender: BulkSender }> {
    const { channel, sender } = await prepared({ verify });
    const torn = native().createBitmap(destination.memory());
    await sender.sendRound(0, null, torn);
    await channel.send('switchover', { lastRound: 0, verify });
    return { channel, sender };
  }

  /** All the way to READY. */
  async function ready(): Promise<ControlChannel> {
    const { channel } = await switchedOver(false);
    await destination.sendState();
    await channel.expect(['ready'], soon);
    return channel;
  }

  describe('a VMM that loads its state beside the last round', () => {
    /** One whose state is loaded ahead, wholly or in part; what it was asked for, in order. */
    function loadsAhead(complete: boolean): string[] {
      const asked: string[] = [];
      destination.host.onPrepare = async () =>
        destination.makeVmm({
          loadAhead: async () => {
            asked.push('ahead');
            return complete;
          },
          loaded: async () => void asked.push('loaded'),
        });
      return asked;
    }

    it('is READY without being asked again', async () => {
      const asked = loadsAhead(true);
      await ready();
      expect(asked).toEqual(['ahead']);
    });

    it('is asked for the rest once memory is complete, and not before (R3)', async () => {
      const asked = loadsAhead(false);
      const { channel, sender } = await prepared();
      await destination.sendState();
      await eventually(() => asked.length > 0);
      await sleep(20);
      expect(asked).toEqual(['ahead']);
      await sender.sendRound(0, null, native().createBitmap(destination.memory()));
      await channel.send('switchover', { lastRound: 0, verify: false });
      await channel.expect(['ready'], soon);
      expect(asked).toEqual(['ahead', 'loaded']);
    });
  });

  describe('READY', () => {
    const readied = () => destination.host.log.includes('ready 6');

    it('goes to the disk beside the device state, and is said when both are there (R4)', async () => {
      let load: () => void = () => {};
      destination.onLoad = () =>
        new Promise((resolve) => {
          load = resolve;
        });
      const { channel } = await switchedOver(false);
      await destination.sendState();
      await eventually(readied);
      const said = channel.expect(['ready'], soon).then(() => 'said');
      expect(await Promise.race([said, sleep(50, 'not yet')])).toBe('not yet');
      load();
      expect(await said).toBe('said');
    });

    it('that is on the disk and was not said is taken back where loading fails (R4, R12)', async () => {
      destination.onLoad = async () => {
        await eventually(readied);
        throw new Error('no such device');
      };
      const { channel } = await switchedOver(false);
      await destination.sendState();
      await expect(channel.expect(['ready'], soon)).rejects.toMatchObject({ code: 'device-state-failed' });
      expect(destination.host.log).toEqual(['preparing 6', 'ready 6', ...tornDown]);
    });
  });

  describe('a source that asks how a migration ended', () => {
    it('hears what the journal says', async () => {
      destination.host.records = { outcome: 'owned', epoch: 6n };
      const channel: ControlChannel = await destination.connect();
      await channel.send('outcomeQuery', query);
      expect((await channel.expect(['outcome'], soon)).message).toEqual({ outcome: 'owned', epoch: '6' });
    });

    it('hears that nothing is known where the journal has no record', async () => {
      const channel: ControlChannel = await destination.connect();
      await channel.send('outcomeQuery', query);
      expect((await channel.expect(['outcome'], soon)).message).toEqual({ outcome: 'unknown', epoch: '0' });
    });
  });

  describe('a source that is refused', () => {
    it.each<[string, HelloChanges, string]>([
      ['another page size', { 1: { pageSize: 16_384 }, 2: { pageSize: 16_384 } }, 'page-size-unsupported'],
    ])('because of %s hears so before anything is made (R7)', async (_what, changes, code) => {
      const channel = await destination.prepare({}, await destination.connect(changes));
      await expect(channel.expect(['prepared'], soon)).rejects.toMatchObject({ code });
      expect(destination.host.log).toEqual([]);
    });

    it('because of an unknown spec version hears the list, and nothing was journaled or made (R7)', async () => {
      const channel = await destination.prepare({ spec: { ...prepareMessage().spec, version: 7 } });
      await expect(channel.expect(['prepared'], soon)).rejects.toMatchObject({
        code: 'spec-version-unknown',
      });
      expect(destination.host.log).toEqual([]);
    });

    it('because the VMM cannot be made hears the host’s own reason, ABORTED on disk', async () => {
      destination.host.onPrepare = async () => {
        throw new Error('no memory left');
      };
      const channel = await destination.prepare();
      await expect(channel.expect(['prepared'], soon)).rejects.toMatchObject({
        message: expect.stringContaining('no memory left'),
      });
      expect(destination.host.log).toEqual(['preparing 6', 'aborted', 'ended failed']);
    });

    it('because the VMM came out as another machine hears which, and the VMM is gone', async () => {
      destination.host.onPrepare = async () => {
        const vmm = destination.makeVmm();
        return {
          ...vmm,
          record: { ...vmm.record, identity: { ...vmm.record.identity, machineType: 'pc-q35-8.0' } },
        };
      };
      const channel = await destination.prepare();
      await expect(channel.expect(['prepared'], soon)).rejects.toMatchObject({ code: 'identity-mismatch' });
      expect(destination.host.log).toContain('destroy');
    });

    it('because the instance is already on its way here', async () => {
      await prepared();
      const other = await destination.prepare({ migrationId: 'f3e2d1c0-b9a8-4766-9544-332211009988' });
      await expect(other.expect(['prepared'], soon)).rejects.toMatchObject({ code: 'migration-exists' });
      expect(destination.host.endings).toEqual([]);
    });

    it.each(['commit', 'abort'] as const)('because a %s names a migration that is not here', async (name) => {
      const channel: ControlChannel = await destination.connect();
      if (name === 'commit') await channel.send('commit', commit);
      else await channel.send('abort', abort);
      await expect(channel.expect(['running', 'aborted'], soon)).rejects.toMatchObject({
        code: 'migration-not-here',
      });
    });

    it('because it says nothing after its hello is left', async () => {
      await destination.close();
      destination = new Destination(version, { deadlines: { helloMs: 50 } });
      const channel: ControlChannel = await destination.connect();
      await expect(channel.expect(['prepared'], soon)).rejects.toMatchObject({ code: 'peer-closed' });
    });
  });

  describe('a source that is lost before READY', () => {
    it('while the VMM is being made: it is destroyed when it comes', async () => {
      let finish: () => void = () => {};
      destination.host.onPrepare = () =>
        new Promise((resolve) => {
          finish = () => resolve(destination.makeVmm());
        });
      const channel = await destination.prepare();
      await eventually(() => destination.host.log.includes('preparing 6'));
      channel.close();
      await sleep(50);
      finish();
      await eventually(() => destination.host.endings.length === 1);
      expect(destination.host.log).toEqual(['preparing 6', 'destroy', 'aborted', 'ended failed']);
    });

    it('before its bulk channels are there', async () => {
      const channel = await destination.prepare();
      await channel.expect(['prepared'], soon);
      channel.close();
      await eventually(() => destination.host.endings.length === 1);
      expect(destination.host.log).toEqual(['preparing 6', ...tornDown]);
    });

    it('in the middle of the rounds', async () => {
      const { channel, sender } = await prepared();
      channel.close();
      sender.cancel();
      await eventually(() => destination.host.endings.length === 1);
      expect(destination.host.log).toEqual(['preparing 6', ...tornDown]);
      expect(destination.host.routes.size).toBe(0);
    });

    it('with only its bulk channels: it is told, and everything is torn down', async () => {
      const { channel, sender } = await prepared();
      sender.cancel();
      await expect(channel.expect(['ready'], soon)).rejects.toMatchObject({ code: 'bulk-receive-failed' });
      expect(destination.host.log).toEqual(['preparing 6', ...tornDown]);
    });

    it('while it should confirm the digest', async () => {
      const { channel } = await switchedOver(true);
      await channel.expect(['digest'], soon);
      channel.close();
      await eventually(() => destination.host.endings.length === 1);
      expect(destination.host.log).toEqual(['preparing 6', ...tornDown]);
    });

    it('while the state is being loaded', async () => {
      destination.onLoad = () => new Promise(() => {});
      const { channel } = await switchedOver(false);
      await destination.sendState();
      await sleep(50);
      channel.close();
      await eventually(() => destination.host.endings.length === 1);
      // READY was on the disk, and had not been said.
      expect(destination.host.log).toEqual(['preparing 6', 'ready 6', ...tornDown]);
    });
  });

  describe('a source that breaks the order', () => {
    it('with SWITCHOVER twice is not answered, and everything is torn down', async () => {
      const { channel } = await switchedOver(true);
      await channel.expect(['digest'], soon);
      await channel.send('switchover', { lastRound: 0, verify: true });
      await expect(channel.expect(['ready'], soon)).rejects.toMatchObject({ code: 'peer-closed' });
      await eventually(() => destination.host.endings.length === 1);
      expect(destination.host.log).not.toContain('ready 6');
    });

    it('with a COMMIT before READY is not answered: it is no permission (R4)', async () => {
      const { channel } = await prepared();
      await channel.send('commit', commit);
      await expect(channel.expect(['running'], soon)).rejects.toMatchObject({ code: 'peer-closed' });
      await eventually(() => destination.host.endings.length === 1);
      expect(destination.host.log).not.toContain('resume');
    });

    it('with a second request on one connection is not answered', async () => {
      const opened = await destination.connect();
      const channel: ControlChannel = opened;
      await channel.send('outcomeQuery', query);
      await channel.expect(['outcome'], soon);
      await destination.prepare({}, opened);
      await expect(channel.expect(['prepared'], { timeoutMs: 200 })).rejects.toThrow();
      expect(destination.host.log).toEqual([]);
    });

    it('with a confirmed digest that is not the one taken is refused', async () => {
      const { channel } = await switchedOver(true);
      await channel.expect(['digest'], soon);
      await channel.send('verified', { digest: 'f'.repeat(32) });
      await expect(channel.expect(['ready'], soon)).rejects.toMatchObject({ code: 'digest-differs' });
      expect(destination.host.log).not.toContain('ready 6');
    });
  });

  describe('a migration that is READY', () => {
    it('runs on COMMIT, by the journal (R4)', async () => {
      const channel = await ready();
      await channel.send('commit', commit);
      expect((await channel.expect(['running'], soon)).message).toMatchObject({
        resumeMs: expect.any(Number),
      });
      await eventually(() => destination.host.endings.length === 1);
      expect(destination.host.log).toEqual([
        'preparing 6',
        'ready 6',
        'owned 6',
        'resume',
        'announce',
        'ended completed',
      ]);
    });

    it('waits with its source gone, and takes COMMIT from a fresh connection (R4)', async () => {
      (await ready()).close();
      await sleep(200);
      expect(destination.host.log).toEqual(['preparing 6', 'ready 6']);
      const fresh: ControlChannel = await destination.connect();
      await fresh.send('commit', commit);
      await fresh.expect(['running'], soon);
    });

    it('says that it waits once the source is gone, and only then hears an operator who calls it lost (R4)', async () => {
      const channel = await ready();
      const { migrationId } = commit;
      await expect(destination.agent.decide(migrationId, 'take-over', 'too early')).rejects.toMatchObject({
        code: 'source-can-be-asked',
      });
      expect(destination.host.waiting).toEqual([]);
      channel.close();
      await eventually(() => destination.host.waiting.length === 1);
      await destination.agent.decide(migrationId, 'take-over', 'its power is off');
      expect(destination.host.log.slice(0, 4)).toEqual(['preparing 6', 'ready 6', 'owned 6', 'resume']);
      await expect(destination.agent.decide(randomUUID(), 'give-up', 'x')).rejects.toMatchObject({
        code: 'migration-not-here',
      });
    });

    it('takes ABORT from a fresh connection, and answers when nothing is left', async () => {
      await ready();
      const fresh: ControlChannel = await destination.connect();
      await fresh.send('abort', abort);
      await fresh.expect(['aborted'], soon);
      expect(destination.host.log).toEqual([
        'preparing 6',
        'ready 6',
        'aborted',
        'destroy',
        'ended cancelled',
      ]);
    });

    it('refuses a COMMIT of another epoch and stays paused', async () => {
      const channel = await ready();
      await channel.send('commit', { ...commit, epoch: '7' });
      await expect(channel.expect(['running'], soon)).rejects.toMatchObject({ code: 'peer-closed' });
      await sleep(50);
      expect(destination.host.log).toEqual(['preparing 6', 'ready 6']);
    });

    it('survives the agent: close() leaves it alone, and restore() takes it up (R11)', async () => {
      await ready();
      await destination.agent.close();
      expect(destination.host.log).toEqual(['preparing 6', 'ready 6']);

      const { host, vmm } = destination;
      const second = new Destination(version, {}, host);
      second.agent.restore(
        { migrationId: MIGRATION_ID, instanceId: INSTANCE_ID, epoch: 6n },
        vmm ?? host.makeVmm(),
      );
      try {
        const fresh: ControlChannel = await second.connect();
        await fresh.send('commit', commit);
        await fresh.expect(['running'], soon);
        expect(host.log.slice(0, 4)).toEqual(['preparing 6', 'ready 6', 'owned 6', 'resume']);
      } finally {
        await second.close();
      }
    });
  });

  describe('an agent that is closed', () => {
    it('tears down what is not READY, and serves no more connections', async () => {
      await prepared();
      await destination.agent.close();
      expect(destination.host.log).toEqual(['preparing 6', 'aborted', 'destroy', 'ended failed']);
      await expect(destination.connect()).rejects.toThrow();
    });
  });
});
