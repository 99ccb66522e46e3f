import { compatibilityDocument } from '../../src/compatibility/document.js';
import type { DocumentKind } from '../../src/document/kind.js';
import { hostDocument } from '../../src/host/document.js';
import { instanceSpecDocument } from '../../src/instance-spec/document.js';
import { migrationReportDocument } from '../../src/migration/document.js';
import { vmmStateDocument } from '../../src/vmm-state/document.js';

/** Every kind of document, by its folder under `testdata/`. */
export const documentKinds = {
  compatibility: compatibilityDocument,
  host: hostDocument,
  'instance-spec': instanceSpecDocument,
  'migration-report': migrationReportDocument,
  'vmm-state': vmmStateDocument,
} as const satisfies Record<string, unknown>;

export type Folder = keyof typeof documentKinds;
export const folders = Object.keys(documentKinds) as readonly Folder[];

/** The kind of a folder, for tests that treat all alike and never look into a value. */
export function kindOf(folder: Folder): DocumentKind<unknown> {
  return documentKinds[folder] as unknown as DocumentKind<unknown>;
}

/** Every version of every kind. */
export const documentVersions = folders.flatMap((folder) =>
  kindOf(folder).versions.all.map(({ version, schema }) => ({
    folder,
    version,
    schema,
    kind: kindOf(folder),
  })),
);
