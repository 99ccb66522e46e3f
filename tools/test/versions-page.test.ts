import { existsSync, readFileSync } from 'node:fs';
import { MACHINE_PROTOCOL_VERSIONS, releaseCompatibility } from '@drover/protocol';
import { formatVersions, refusalCodes } from '@drover/types';
import { describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/versions.md', root), 'utf8');

/** The cells of each row of the table under a heading. */
function rowsUnder(heading: string): readonly (readonly string[])[] {
  const [, section = ''] = page.split(`${heading}\n`);
  const lines = section.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|'));
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('docs/versions.md', () => {
  it('has the windows of this release in its last row', () => {
    const ours = releaseCompatibility();
    const windows = [ours.peerProtocol, MACHINE_PROTOCOL_VERSIONS, ours.instanceSpec, null];
    const documents = [ours.vmmState, ours.hostDescription, ours.migrationReport];
    expect(rowsUnder('### Which releases work together').at(-1)?.slice(1)).toEqual(
      [...windows, ...documents, ours.cloudHypervisorWire].map((versions) =>
        versions === null ? ours.agentApi.join(', ') : formatVersions(versions),
      ),
    );
  });

  it('names every refusal of a comparison', () => {
    for (const code of refusalCodes) expect(page).toContain(`\`${code}\``);
  });

  it('names files that exist, and each list of versions says there how one is added', () => {
    const files = [...page.matchAll(/`((?:packages|native|tools|e2e)\/[\w./-]+)`/g)].map(
      ([, path = '']) => path,
    );
    expect(files.length).toBeGreaterThan(8);
    for (const path of files) expect(existsSync(new URL(path, root)), path).toBe(true);
    for (const [, lists = ''] of rowsUnder('## For a developer')) {
      for (const [, path = ''] of lists.matchAll(/`(packages\/[^`]+)`/g)) {
        expect(readFileSync(new URL(path, root), 'utf8'), path).toMatch(/To (?:add|give)|is added here/);
      }
    }
  });
});
