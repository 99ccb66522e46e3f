import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  hostV1,
  hostV2,
  readHost,
  readInstanceSpec,
  readMigrationReport,
  readVmmState,
  type VmmState,
  writeInstanceSpec,
} from '@drover/types';
import { describe, expect, it } from 'vitest';
import {
  agentApiV1,
  agentEndpointsV1,
  agentEndpointsV2,
  agentEndpointsV3,
  agentEndpointsV4,
  answersFromV1,
  answersFromV2,
  answersFromV3,
  answersToV1,
  answersToV2,
  answersToV3,
  bodiesFromV1,
  bodiesFromV3,
  bodiesToV1,
  bodiesToV2,
  bodiesToV3,
  eventFromV2,
  eventToV2,
  type InstanceView,
  instanceViewV1,
  type MigrationViewV2 as MigrationView,
  migrationViewV1,
  migrationViewV2,
  vmmsFromV2,
} from '../src/agent/index.js';

const UUID = '6f1c2f0a-5b8e-4c1d-9a77-0d2a4b6c8e10';

/** The frozen documents of one kind, of every version, as the newest version's values. */
function corpus<T>(kind: string, read: (document: unknown) => T): T[] {
  const directory = join(import.meta.dirname, '..', '..', 'types', 'testdata', kind);
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.json'),
  );
  return files.map((name) => read(readFileSync(join(directory, name), 'utf8')));
}

const specs = corpus('instance-spec', readInstanceSpec);
const states = corpus('vmm-state', readVmmState);
const [state] = states.filter(({ driver, ramMode }) => driver === 'qemu' && ramMode === 'external');

function view(change: Partial<InstanceView>): InstanceView {
  const made = { id: UUID, name: 'web-1', consoleSocket: null, logFile: null };
  const [spec] = specs;
  if (!spec) throw new Error('there are no specs');
  return { ...made, spec, state: state as VmmState, ...change };
}

function migration(report: MigrationView['report']): MigrationView {
  const at = new Date(0).toISOString();
  return {
    ...{ id: UUID, instanceId: UUID, instanceName: 'web-1', role: 'source', peer: 'b:1' },
    ...{ state: 'completed', phase: 'done', progress: null, report, error: null },
    ...{ startedAt: at, endedAt: at },
  };
}

/** What 1.0.0 gives of an answer, or the refusal's code and sentence. */
function attempt<T>(convert: () => T): { answer: T } | { code: unknown; message: string } {
  try {
    return { answer: convert() };
  } catch (thrown) {
    if (!(thrown instanceof Error) || !('code' in thrown)) throw thrown;
    return { code: thrown.code, message: thrown.message };
  }
}

describe('an answer by API 1.0.0', () => {
  it('has every instance whole, or refuses it by name (R8)', () => {
    const outcomes = { shown: 0, refused: 0 };
    const views = [...specs.map((spec) => view({ spec })), ...states.map((each) => view({ state: each }))];
    for (const instance of views) {
      const outcome = attempt(() => answersToV1.getInstance(instance));
      if ('answer' in outcome) {
        outcomes.shown += 1;
        expect(instanceViewV1.parse(outcome.answer)).toEqual(outcome.answer);
        expect(answersFromV1.getInstance(outcome.answer)).toEqual(instance);
      } else {
        outcomes.refused += 1;
        expect(outcome.code).toBe('api-version-too-old');
        expect(outcome.message).toMatch(
          /^Instance web-1 cannot be shown in agent API 1\.0\.0: .+ needs (instance spec|VMM state) \d(, .+ needs .+ \d)*; ask for agent API 2\.0\.0\.$/,
        );
      }
    }
    expect(outcomes.shown).toBeGreaterThan(10);
    expect(outcomes.refused).toBeGreaterThan(10);
  });

  it('refuses a list whole for one that is in the way: who is missing would be taken for gone (R1)', () => {
    const later = specs.find(({ clock }) => clock === 'stopped');
    const items = [view({}), view({ name: 'web-2', ...(later ? { spec: later } : {}) })];
    expect(attempt(() => answersToV1.listInstances({ items }))).toMatchObject({
      message: expect.stringContaining('web-2'),
    });
    expect(answersToV1.listInstances({ items: items.slice(0, 1) }).items).toHaveLength(1);
  });

  it('has of every host what 1.0.0 has words for', () => {
    const hosts = corpus('host', readHost).map(({ cpu, capacity, ...host }) => host);
    for (const host of hosts) {
      const shown = answersToV1.getHost(host);
      expect(hostV1.parse(shown)).toEqual(shown);
      expect(shown.accepts.instanceSpec).toEqual(host.compatibility.instanceSpec);
      const qemu = host.drivers.filter(({ name }) => name === 'qemu');
      expect(shown.drivers).toEqual(
        qemu.map((driver) => ({
          ...driver,
          ramModes: driver.ramModes.includes('external') ? ['external'] : [],
        })),
      );
    }
    expect(hosts.some(({ drivers }) => drivers.length > 1)).toBe(true);
  });

  it('has of every migration what 1.0.0 has words for, and no report rather than half of one', () => {
    const outcomes = { whole: 0, without: 0 };
    for (const report of [null, ...corpus('migration-report', readMigrationReport)]) {
      const shown = answersToV1.getMigration(migration(report));
      expect(migrationViewV1.parse(shown)).toEqual(shown);
      expect(shown).toEqual({ ...migration(null), report: shown.report });
      if (report === null || shown.report === null) {
        outcomes.without += 1;
        continue;
      }
      outcomes.whole += 1;
      const { deviceStates, capabilities, ...known } = report;
      expect(shown.report).toEqual(known);
      const again = answersFromV1.getMigration(shown).report;
      expect(again).toEqual({ ...known, deviceStates: { 'qemu-stream': 1 }, capabilities: [] });
    }
    expect(outcomes.whole).toBeGreaterThan(1);
    expect(outcomes.without).toBeGreaterThan(1);
  });

  it('is converted for every endpoint whose answer changed, and for no other', () => {
    const changed = Object.keys(agentEndpointsV1).filter(
      (name) =>
        agentEndpointsV1[name as keyof typeof agentEndpointsV1].response !==
        agentEndpointsV2[name as keyof typeof agentEndpointsV2].response,
    );
    expect(Object.keys(answersToV1).sort()).toEqual(changed.sort());
    expect(Object.keys(answersFromV1).sort()).toEqual(changed.sort());
  });
});

describe('an answer by API 2.0.0', () => {
  it('has of every host all but its processor and size (R8)', () => {
    const hosts = corpus('host', readHost);
    for (const host of hosts) {
      const { cpu, capacity, ...shown } = host;
      expect(answersToV2.getHost(host)).toEqual(shown);
      expect(hostV2.parse(shown)).toEqual(shown);
      expect(answersFromV2.getHost(shown)).toEqual({ ...host, cpu: null, capacity: null });
    }
    expect(hosts.some(({ cpu }) => cpu !== null)).toBe(true);
  });

  it('has of every migration all but the journal’s words and the doubt', () => {
    const doubt = {
      ...{ since: new Date(0).toISOString(), unknown: 'Whether it runs.', waitsFor: 'b:1' },
      ...{ attempts: 3, lastAnswer: null, remedy: 'Bring b back.' },
    };
    for (const report of [null, ...corpus('migration-report', readMigrationReport)]) {
      const shown = migration(report);
      const whole = { ...shown, ownership: { state: 'relinquished', epoch: '2' }, doubt };
      expect(answersToV2.getMigration(whole)).toEqual(shown);
      expect(migrationViewV2.parse(shown)).toEqual(shown);
      expect(answersFromV2.getMigration(shown)).toEqual({ ...shown, ownership: null, doubt: null });
      const event = { kind: 'ended', at: shown.startedAt, migration: whole } as const;
      expect(eventToV2(event)).toEqual({ ...event, migration: shown });
      expect(eventFromV2(eventToV2(event))).toMatchObject({ migration: { ownership: null } });
    }
  });

  it('is converted for every endpoint whose answer changed, and for no other', () => {
    const changed = Object.keys(agentEndpointsV2).filter(
      (name) =>
        agentEndpointsV2[name as keyof typeof agentEndpointsV2].response !==
        agentEndpointsV3[name as keyof typeof agentEndpointsV3].response,
    );
    expect(Object.keys(answersToV2).sort()).toEqual(changed.sort());
    expect(Object.keys(answersFromV2).sort()).toEqual(changed.sort());
  });

  it('makes one VMM of each instance, with the migration that it is part of', () => {
    const running = { ...migration(null), instanceId: String(state?.instanceId), endedAt: null };
    expect(vmmsFromV2([view({})], [migration(null), running])).toEqual([
      {
        state,
        instanceName: 'web-1',
        migration: { id: UUID, role: 'source', state: 'completed' },
        ended: null,
      },
    ]);
    expect(vmmsFromV2([view({})], [{ ...running, endedAt: running.startedAt }])[0]?.migration).toBeNull();
  });
});

describe('a request to an agent of API 2.0.0', () => {
  it('means what it says, or is refused by name (R7)', () => {
    const body = { instance: 'web-1', destination: { host: 'b', port: 1 }, settings: {} };
    expect(bodiesToV2.startMigration(body, 'north')).toEqual(body);
    expect(attempt(() => bodiesToV2.startMigration({ ...body, id: UUID }, 'north'))).toMatchObject({
      code: 'api-version-too-old',
      message:
        'A migration whose id the caller chooses needs agent API 3.0.0, and north serves an older one; upgrade that agent.',
    });
    expect(bodiesToV2.stopInstance({ force: true }, 'north')).toEqual({ force: true });
    expect(attempt(() => bodiesToV2.stopInstance({ vmm: UUID }, 'north'))).toMatchObject({
      code: 'api-version-too-old',
    });
  });
});

describe('agent API 3.0.0', () => {
  const cpu = { cpuid: [{ leaf: 7, subleaf: 0, eax: 0, ebx: 32, ecx: 0, edx: 0 }], msrs: [16] };
  const finding = { severity: 'note', code: 'a', sentence: 'B.', remedy: 'C.' } as const;
  const [spec] = specs.map((each) => writeInstanceSpec(each));
  if (!spec) throw new Error('there are no specs');
  const arrival = {
    ...({ role: 'destination', instanceId: UUID, spec, backends: {} } as const),
    ...{ machineType: null, vmmVersion: null, accelerator: null },
  };

  it('has every finding, and no word of what a guest was promised of its processor', () => {
    const shown = answersToV3.checkPreflight({ findings: [finding], cpu });
    expect(shown).toEqual({ findings: [finding] });
    expect(answersFromV3.checkPreflight(shown)).toEqual({ findings: [finding], cpu: null });
  });

  it('asks without it, and is not asked to look at it (R7)', () => {
    const newest = bodiesFromV3.checkPreflight(arrival);
    expect(newest).toEqual({ ...arrival, cpu: null });
    expect(agentEndpointsV4.checkPreflight.body.parse(newest)).toEqual(newest);
    expect(bodiesToV3.checkPreflight(newest, 'north')).toEqual(arrival);
    const source = { role: 'source', instance: 'web-1' } as const;
    expect(bodiesFromV3.checkPreflight(source)).toEqual(source);
    expect(agentEndpointsV3.checkPreflight.body.parse(arrival)).toEqual(arrival);
    expect(bodiesToV3.checkPreflight(source, 'north')).toEqual(source);
    expect(attempt(() => bodiesToV3.checkPreflight({ ...arrival, cpu }, 'north'))).toMatchObject({
      code: 'api-version-too-old',
      message:
        'Comparing what a guest was promised of its processor needs agent API 4.0.0, and north serves an older one; upgrade that agent.',
    });
  });

  it('is converted for every endpoint that changed, and for no other', () => {
    const changed = (part: 'body' | 'response') =>
      (Object.keys(agentEndpointsV3) as (keyof typeof agentEndpointsV3)[]).filter(
        (name) => agentEndpointsV3[name][part] !== agentEndpointsV4[name][part],
      );
    expect(Object.keys(answersToV3)).toEqual(changed('response'));
    expect(Object.keys(answersFromV3)).toEqual(changed('response'));
    expect(Object.keys(bodiesToV3)).toEqual(changed('body'));
    expect(Object.keys(bodiesFromV3)).toEqual(changed('body'));
  });
});

describe('a request by API 1.0.0', () => {
  const destination = { host: 'b', port: 1 };
  const settings = agentApiV1.components.requests.MigrationSettings.parse({});

  it('takes a spec of version 1; one of a version that came later is refused before it is read (R7)', () => {
    const [spec] = specs.filter((each) => each.clock === 'wall' && each.components.com1);
    if (!spec) throw new Error('there is no such spec');
    const body = (version: number) => ({
      spec: { ...writeInstanceSpec(spec), schema: 'drover.instance-spec' as const, version },
      start: false,
    });
    expect(bodiesFromV1.createInstance(body(1))).toEqual(body(1));
    for (const version of [2, 3]) {
      expect(attempt(() => bodiesFromV1.createInstance(body(version)))).toMatchObject({
        code: 'spec-version-unknown',
        message: expect.stringMatching(/send it with agent API 2\.0\.0\.$/),
      });
    }
    // One that no release knows is refused where it is read, with the list of those known.
    expect(bodiesFromV1.createInstance(body(99))).toEqual(body(99));
  });

  it('moves a guest with the backends that it has', () => {
    const body = { instance: 'web-1', destination, settings };
    const newest = bodiesFromV1.startMigration(body);
    expect(newest).toEqual({ ...body, backends: {} });
    expect(bodiesToV1.startMigration(newest, 'the agent')).toEqual(body);
    const backends = { net0: { kind: 'user-network' } } as const;
    expect(attempt(() => bodiesToV1.startMigration({ ...body, backends }, 'north'))).toMatchObject({
      code: 'api-version-too-old',
      message:
        'Another backend net0 at the destination needs agent API 2.0.0, and north serves 1.0.0; upgrade that agent.',
    });
  });
});
