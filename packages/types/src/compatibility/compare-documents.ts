/** What matters when a host goes from one release to the other and back: the documents on its disks. */
import { formatVersions } from '../document/versions.js';
import { type CompatibilityFinding, note, type Sides } from './finding.js';
import type { CompatibilityV1 } from './v1.js';

const documents = {
  instanceSpec: 'instance specs',
  vmmState: 'VMM states',
  hostDescription: 'host descriptions',
  migrationReport: 'migration reports',
} as const satisfies Partial<Record<keyof CompatibilityV1, string>>;

/** Documents are written in the oldest version that says everything, so a newer version alone is no refusal. */
export function* compareDocuments({ directions }: Sides): Iterable<CompatibilityFinding> {
  for (const { direction, source, destination } of directions) {
    const newer = (Object.keys(documents) as (keyof typeof documents)[]).flatMap((field) => {
      const unread = source.manifest[field].filter(
        (version) => !destination.manifest[field].includes(version),
      );
      return unread.length === 0 ? [] : [`${documents[field]} of version ${formatVersions(unread)}`];
    });
    if (newer.length === 0) continue;
    yield note(
      direction,
      'documents-newer',
      `${destination.name} does not read ${newer.join(', ')}, which ${source.name} writes where an older version cannot say everything.`,
      `Before a host goes back to ${destination.name}, move instances away that use what is new.`,
    );
  }
}
