import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrationViewV1 } from '@drover/protocol';
import { instanceSpecV1 } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decodeMigration, encodeMigration } from '../../src/migrations/document.js';
import { newMigrationView } from '../../src/migrations/store.js';
import { spec, startTestAgent } from '../support/agent.js';
import { REPORT } from '../support/report.js';

/** What release 0.1 reads of `instance.json`; it knows no other version of the spec. */
const specOf01 = z.object({
  body: z.object({
    spec: z.strictObject({
      schema: z.literal('drover.instance-spec'),
      version: z.literal(1),
      body: instanceSpecV1,
    }),
  }),
});

const view = {
  ...newMigrationView({
    id: REPORT.migrationId,
    instanceId: REPORT.instanceId,
    instanceName: 'web-1',
    role: 'source',
    peer: '10.0.0.1:7701',
    phase: 'done',
  }),
  state: 'completed',
  endedAt: new Date().toISOString(),
} as const;

/** What release 0.1 reads of the ownership journal: of the first line, and of every other. */
const headerOf01 = z.strictObject({
  schema: z.literal('drover.ownership-journal'),
  version: z.literal(1),
  firstSequence: z.int().min(1),
});
const entryOf01 = z.strictObject({
  seq: z.int().min(1),
  at: z.iso.datetime(),
  role: z.enum(['source', 'destination']),
  state: z.enum(['owned', 'relinquished', 'done', 'taken-back', 'preparing', 'ready', 'aborted']),
  migrationId: z.uuid(),
  instanceId: z.uuid(),
  epoch: z.string().regex(/^(0|[1-9][0-9]{0,19})$/),
  checkpoint: z.literal(true).optional(),
});

describe('what this release stores', () => {
  it('of ownership is what release 0.1 reads, until the journal is compacted', async () => {
    const test = await startTestAgent();
    await test.agent.close();
    const path = join(test.root, 'state', 'journal', 'ownership.log');
    const text = readFileSync(path, 'utf8');
    const [header, ...entries] = text
      .slice(0, text.lastIndexOf('\n'))
      .split('\n')
      .map((line) => JSON.parse(line.slice(9)));
    expect(headerOf01.parse(header).version).toBe(1);
    expect(entries.map((entry) => entryOf01.parse(entry).state)).toEqual(['aborted']);
  });

  it('of an instance without new features is what release 0.1 reads (R8)', async () => {
    const test = await startTestAgent();
    const { id } = await test.client.createInstance({ spec: spec('web-1') });
    const file = (instance: string) =>
      JSON.parse(readFileSync(join(test.root, 'state', 'instances', instance, 'instance.json'), 'utf8'));
    expect(specOf01.parse(file(id)).body.spec.body.name).toBe('web-1');
    expect(file(id).version).toBe(1);

    const clock = await test.client.createInstance({ spec: spec('web-2', { clock: 'stopped' }) });
    expect(file(clock.id).body.spec.version).toBe(3);
    await test.restart();
    expect((await test.client.getInstance('web-1')).spec.clock).toBe('wall');
    expect((await test.client.getInstance('web-2')).spec.clock).toBe('stopped');
  });

  it('of a migration is what release 0.1 reads, unless its report says more', () => {
    const plain = { ...REPORT, deviceStates: { 'qemu-stream': 1 } };
    for (const report of [null, plain]) {
      const text = encodeMigration({ view: { ...view, report }, request: null });
      expect(migrationViewV1.parse(JSON.parse(text)).state).toBe('completed');
      expect(decodeMigration(text)).toEqual({ view: { ...view, report }, request: null });
    }
    const text = encodeMigration({ view: { ...view, report: REPORT }, request: 'digest' });
    expect(JSON.parse(text).report).toMatchObject({ schema: 'drover.migration-report', version: 2 });
    expect(decodeMigration(text)).toEqual({ view: { ...view, report: REPORT }, request: 'digest' });
  });

  it('of a migration in a version that it does not know is not read', () => {
    const stored = { schema: 'drover.migration-report', version: 99, body: {} };
    expect(() => decodeMigration(JSON.stringify({ ...view, report: stored }))).toThrow(/version 99/);
  });
});
