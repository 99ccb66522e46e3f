import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { testdata } from './corpus.js';

/** Code that reads, converts, refuses and writes; not the wording of refusals. */
const CLOSED =
  /\/types\/src\/(document|instance-spec|vmm-state|host|migration)\/(?!issues|quote)[a-z0-9-]+\.ts$/;
/** What the test runner puts around exports. */
const WIRING = /^catch \{\}$|^\(\) => \{ try \{ return /;
const SEED = 20;

it('leaves no conversion and no refusal that was never exercised (R7, R8)', { timeout: 60_000 }, async () => {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

  // Only what is loaded from here on is counted.
  const { randomDocuments } = await import('./support/arbitraries.js');
  const { documentVersions } = await import('./support/documents.js');
  const { refusals } = await import('./support/refusals.js');
  const { frozenDocuments } = await import('./corpus.js');
  const { missingFeatures, readDocument, writeDocument, writeDocumentForStorage } = await import(
    '../src/document/kind.js'
  );
  const types = await import('../src/index.js');

  for (const [code, ways] of Object.entries(refusals)) {
    for (const [index, way] of ways.entries()) {
      expect(way, `${code} ${index}`).toThrow(expect.objectContaining({ code }));
    }
  }
  expect(Object.keys(refusals).sort()).toEqual(Object.keys(types.typesErrors.definitions).sort());

  for (const { folder, version, kind } of documentVersions) {
    for (const { text } of frozenDocuments(`${folder}/v${version}`)) {
      const value = readDocument(kind, text);
      writeDocumentForStorage(kind, value);
      writeDocument(kind, value);
      missingFeatures(kind, value, [1]);
      missingFeatures(kind, value, []);
    }
  }
  for (const { version, kind, body } of randomDocuments) {
    for (const original of fc.sample(body, { numRuns: 50, seed: SEED })) {
      const value = kind.versions.up(version, original);
      for (const other of kind.versions.numbers) kind.versions.down(other, value);
    }
  }
  await exerciseTheRest(types);

  const { result } = await session.post('Profiler.takePreciseCoverage');
  await session.post('Debugger.enable');
  const closed = result.filter(({ url }) => CLOSED.test(url));
  expect(closed.length).toBeGreaterThan(15);
  const idle: string[] = [];
  for (const { scriptId, url, functions } of closed) {
    const { scriptSource } = await session.post('Debugger.getScriptSource', { scriptId });
    const pieces = functions.flatMap(({ ranges }) => ranges.filter(({ count }) => count === 0));
    for (const { startOffset, endOffset } of pieces) {
      const piece = scriptSource.slice(startOffset, endOffset);
      if (!WIRING.test(piece)) idle.push(`${url.replace(/.*\/src\//, '')}: ${piece}`);
    }
  }
  session.disconnect();
  expect(idle).toEqual([]);
});

/** What is neither a refusal nor a conversion, and lives in the same files. */
async function exerciseTheRest(types: typeof import('../src/index.js')): Promise<void> {
  expect(types.isEnvelope({ schema: 'x', body: 1 })).toBe(true);
  expect(types.isEnvelope(null)).toBe(false);
  expect(types.parseStrictJson('[0.0e5, -1.50000000000000000]')).toEqual({ ok: true, value: [0, -1.5] });
  const { sameJson } = await import('../src/document/same-json.js');
  expect(sameJson([], {})).toBe(false);
  const state = types.readVmmState(JSON.parse(frozen('vmm-state/v1/running.json')));
  expect(types.writeVmmStateForStorage(state).version).toBe(1);
  const report = types.readMigrationReport(frozen('migration-report/v2/says-what-version-1-says.json'));
  expect(types.writeMigrationReportForStorage(report).version).toBe(1);
  expect(types.formatVersions([])).toBe('none');
  expect(types.formatVersions([3, 1])).toBe('1, 3');
  const spec = types.instanceSpecSchema.parse({
    ...{ name: 'a', cpus: 1, memoryMiB: 1, boot: { from: 'kernel', kernel: '/k' } },
    components: {
      n: { kind: 'virtio-nic', backend: 't', mac: '52:54:00:00:00:01' },
      t: { kind: 'tap-network', interface: 'a' },
    },
  });
  const replaced = types.replaceBackends(spec, { t: { kind: 'tap-network', interface: 'b' } });
  expect(types.missingInSpecVersions(replaced, [1])).toEqual([]);
  expect(types.writeInstanceSpecForStorage(replaced).version).toBe(1);
}

function frozen(file: string): string {
  return readFileSync(join(testdata, file), 'utf8');
}
