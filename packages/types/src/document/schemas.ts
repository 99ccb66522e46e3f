/** The name in an envelope of every kind of document that this release knows. A name is never given a second meaning. */
export const DOCUMENT_SCHEMAS = [
  'drover.compatibility',
  'drover.host',
  'drover.instance-spec',
  'drover.migration-report',
  'drover.vmm-state',
] as const;

export type DocumentSchema = (typeof DOCUMENT_SCHEMAS)[number];
