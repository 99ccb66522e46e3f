import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { instanceSpecSchema } from '@drover/types';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { Instance } from '../../src/instances/instance.js';
import { newSnapshot } from '../../src/instances/lifecycle.js';
import { EndedVmms, type EndedVmmsOptions } from '../../src/vmms/ended-vmms.js';
import { silent } from '../support/agent.js';
import { temporaryDirectory } from '../support/directory.js';

const noneIsCurrent = () => false;

function records(change: Partial<EndedVmmsOptions> = {}) {
  const directory = change.directory ?? temporaryDirectory();
  const shown: string[] = [];
  const options = { directory, kept: true, logger: silent, onEnded: (id: string) => void shown.push(id) };
  return { directory, shown, ended: new EndedVmms({ ...options, ...change }) };
}

/** One that has published its first state. */
async function instance(name = 'web-1'): Promise<Instance> {
  const directory = join(temporaryDirectory(), 'instance');
  mkdirSync(directory);
  const spec = instanceSpecSchema.parse({
    ...{ name, cpus: 1, memoryMiB: 64 },
    boot: { from: 'kernel', kernel: '/boot/vmlinuz' },
  });
  const stored = { id: randomUUID(), spec, snapshot: newSnapshot({ epoch: 1n, life: 'running' }) };
  const made = new Instance(stored, directory, silent);
  await made.publish({});
  return made;
}

describe('the last state of a VMM', () => {
  it('replaces every earlier one, and is shown when its instance has it no more (R10)', async () => {
    const { ended, shown } = records();
    const gone = await instance();
    const { vmmId } = gone.snapshot;
    const show = await ended.record(gone, 'moved');
    expect(ended.get(vmmId)).toBeUndefined();
    show();
    expect(shown).toEqual([vmmId]);
    expect(ended.get(vmmId)).toMatchObject({
      state: { vmmId, generation: '2', life: 'moved', pid: null },
      instanceName: 'web-1',
      ended: { reason: 'moved' },
    });
  });

  it('outlives the agent until its generation is acknowledged, and no earlier one counts (R10)', async () => {
    const { ended, directory } = records();
    const gone = await instance();
    const { vmmId } = gone.snapshot;
    (await ended.record(gone, 'deleted'))();
    const again = records({ directory });
    await again.ended.load(noneIsCurrent);
    expect(again.ended.list()).toEqual(ended.list());
    expect(await again.ended.acknowledge(vmmId, 1n)).toBe(false);
    expect(again.ended.list()).toHaveLength(1);
    expect(await again.ended.acknowledge(vmmId, 2n)).toBe(true);
    expect(await again.ended.acknowledge(vmmId, 2n)).toBe(false);
    expect(readdirSync(directory)).toEqual([]);
    const third = records({ directory });
    await third.ended.load(noneIsCurrent);
    expect(third.ended.list()).toEqual([]);
  });

  it('that a crash kept from being shown is taken back: its instance still has that VMM', async () => {
    const { ended, directory } = records();
    const still = await instance();
    await ended.record(still, 'deleted');
    const again = records({ directory });
    await again.ended.load(({ state }) => state.vmmId === still.snapshot.vmmId);
    expect([again.ended.list(), readdirSync(directory)]).toEqual([[], []]);
  });

  it('goes when the control plane is taken away, and is not written where there is none', async () => {
    const { ended, directory } = records();
    (await ended.record(await instance(), 'deleted'))();
    const without = records({ directory, kept: false });
    await without.ended.load(noneIsCurrent);
    expect(readdirSync(directory)).toEqual([]);
    (await without.ended.record(await instance(), 'deleted'))();
    expect([without.ended.list(), without.shown, readdirSync(directory)]).toEqual([[], [], []]);
  });

  it('of too many is said to be forgotten, the oldest first (R6)', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) });
    const { ended } = records({ limit: 2, logger });
    const gone = [await instance('a'), await instance('b'), await instance('c')];
    for (const each of gone) (await ended.record(each, 'deleted'))();
    expect(ended.list().map(({ instanceName }) => instanceName)).toEqual(['b', 'c']);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(String(lines[0]))).toMatchObject({
      vmm: gone[0]?.snapshot.vmmId,
      msg: expect.stringContaining('the oldest is forgotten'),
    });
  });

  it('that cannot be read is left as it is, and hides no other', async () => {
    const { ended, directory } = records();
    (await ended.record(await instance(), 'replaced'))();
    writeFileSync(join(directory, `${randomUUID()}.json`), '{"schema":"drover.host-agent.ended-vmm"');
    const again = records({ directory });
    await again.ended.load(noneIsCurrent);
    expect(again.ended.list()).toEqual(ended.list());
    expect(readdirSync(directory)).toHaveLength(2);
  });
});
