import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentProcess } from '../harness/agent-process.js';
import { linuxMissing, linuxSpec } from '../harness/guests.js';
import { writers } from '../harness/image-locks.js';
import { beginMove, ended, followTo, type Guest, sound, soundness, startGuest } from '../harness/moving.js';
import { brokenRecords } from '../harness/records.js';
import { startTwoHosts, type TwoHosts } from '../harness/two-hosts.js';

const RECORDS = 1_024;
const IMAGE_MIB = 64;

/** Where both agents are held in turn, and who may then write to the image. */
const STEPS = [
  ['source.prepared', 'source'],
  ['source.paused', 'source'],
  ['destination.loaded', 'nobody'],
  ['destination.ready-journaled', 'nobody'],
  ['source.relinquished', 'nobody'],
  ['destination.owned-journaled', 'nobody'],
  ['destination.resumed', 'destination'],
  ['source.running-received', 'destination'],
] as const;

describe.skipIf(linuxMissing !== null)(
  `a disk that both hosts share${linuxMissing === null ? '' : ` (${linuxMissing})`}`,
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'disk-'));
    const holds = (agent: AgentProcess) => join(agent.directory, 'holds');
    let hosts: TwoHosts;
    beforeAll(async () => {
      hosts = await startTwoHosts((host) => {
        mkdirSync(join(host, 'holds'), { recursive: true });
        return { DROVER_TEST_HOLDS: join(host, 'holds') };
      });
    });
    afterAll(async () => {
      await hosts.close();
      rmSync(directory, { recursive: true, force: true });
    });

    it.each([
      ['raw', 'none'],
      ['qcow2', 'writeback'],
    ] as const)(
      'as %s with cache %s is open for writing on one side at most, and keeps every record of a guest that writes while it moves there and back (R1, R3)',
      async (format, cache) => {
        const image = join(directory, `image.${format}`);
        execFileSync('qemu-img', ['create', '-q', '-f', format, image, `${IMAGE_MIB}M`]);
        const guest = await startGuest(
          hosts.a,
          linuxSpec({
            name: `records-${format}`,
            memoryMiB: 192,
            pages: 2_048,
            rate: 1_000,
            words: `disk=/dev/vda mode=records disk-window=${RECORDS}`,
            components: {
              disk: { kind: 'virtio-disk', backend: 'image' },
              image: { kind: 'file-storage', path: image, format, cache, readOnly: false },
            },
          }),
          { readyMs: 120_000 },
        );
        await recordsChecked(guest, RECORDS);
        for (const [from, to] of [
          [hosts.a, hosts.b],
          [hosts.b, hosts.a],
        ] as const) {
          await moveStepByStep(guest, from, to, image);
          await recordsChecked(guest, 200);
          expect(await soundness(guest)).toEqual(sound);
        }
        // Once more at full speed, with the locks looked at without pause.
        const seen = await moveWatched(guest, hosts.a, hosts.b, image);
        expect(Math.max(...seen)).toBe(1);
        expect(seen.length).toBeGreaterThan(20);
        await recordsChecked(guest, 200);
        expect(await soundness(guest)).toEqual(sound);

        await hosts.b.client.stopInstance(guest.name, { force: true });
        guest.meter.detach();
        const raw = join(directory, 'copy.raw');
        execFileSync('qemu-img', ['convert', '-O', 'raw', image, raw]);
        if (format === 'qcow2') execFileSync('qemu-img', ['check', '-q', image]);
        expect(brokenRecords(readFileSync(raw), RECORDS)).toEqual([]);
        await hosts.b.client.deleteInstance(guest.name);
        expect(hosts.leftovers()).toEqual([]);
      },
    );

    async function moveStepByStep(guest: Guest, from: AgentProcess, to: AgentProcess, image: string) {
      const places = STEPS.map(([step, may]) => {
        const file = join(holds(step.startsWith('source.') ? from : to), step);
        writeFileSync(file, '');
        return { step, may, file: `${file}.held` };
      });
      const stop = new AbortController();
      const { id } = await beginMove(guest, from, to, { verify: true });
      const following = followTo(guest, to, stop.signal);
      for (const { step, may, file } of places) {
        await until(() => existsSync(file), `the migration comes to ${step}`);
        const pids = { source: await pidOf(from, guest), destination: await pidOf(to, guest) };
        const writing = writers(image, Object.values(pids));
        expect(writing, `who may write at ${step}`).toEqual(may === 'nobody' ? [] : [pids[may]]);
        rmSync(file);
      }
      expect(await ended(from, id)).toMatchObject({ state: 'completed', report: { verified: true } });
      stop.abort();
      await following;
    }

    /** How many may write, looked at again and again while the guest moves. */
    async function moveWatched(guest: Guest, from: AgentProcess, to: AgentProcess, image: string) {
      const stop = new AbortController();
      const { id } = await beginMove(guest, from, to, {});
      const following = followTo(guest, to, stop.signal);
      const source = await pidOf(from, guest);
      const seen: number[] = [];
      let isOver = false;
      const end = ended(from, id).finally(() => {
        isOver = true;
      });
      let destination: number | null = null;
      while (!isOver) {
        destination ??= await to.client
          .getInstance(guest.name)
          .then(({ state }) => state.pid)
          .catch(() => null);
        seen.push(writers(image, destination === null ? [source] : [source, destination]).length);
        await sleep(0);
      }
      expect(await end).toMatchObject({ state: 'completed' });
      stop.abort();
      await following;
      return seen;
    }
  },
);

async function pidOf(agent: AgentProcess, guest: Guest): Promise<number> {
  const { state } = await agent.client.getInstance(guest.name);
  if (state.pid === null) throw new Error(`${guest.name} has no VMM at ${agent.name}`);
  return state.pid;
}

/** Waits until the guest has compared that many more records with what they must hold. */
async function recordsChecked(guest: Guest, more: number): Promise<void> {
  const checked = () => guest.meter.summary().disk?.blocksChecked ?? 0;
  const target = checked() + more;
  await until(() => checked() >= target, `the guest has checked ${more} more records`);
}

async function until(isTrue: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`not within 60 s: ${what}`);
    await sleep(5);
  }
}
