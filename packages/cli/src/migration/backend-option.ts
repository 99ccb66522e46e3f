import { type InstanceSpec, replaceBackends } from '@drover/types';
import { InvalidArgumentError } from 'commander';

/** One `--backend` of the command line: this field of this backend has another value at the destination. */
export interface BackendChange {
  readonly id: string;
  readonly field: string;
  readonly text: string;
}

/** Reads `disk0.path=/srv/disk0.raw` and adds it to those before. Throws commander's InvalidArgumentError. */
export function parseBackendChange(
  text: string,
  before: readonly BackendChange[] = [],
): readonly BackendChange[] {
  const [, id, field, value] = /^([^.=]+)\.([^.=]+)=(.+)$/s.exec(text) ?? [];
  if (id === undefined || field === undefined || value === undefined) {
    throw new InvalidArgumentError(
      `"${text}" does not name a field of a backend; write for example disk0.path=/srv/disk0.raw.`,
    );
  }
  if (before.some((change) => change.id === id && change.field === field)) {
    throw new InvalidArgumentError(`"${id}.${field}" is given twice.`);
  }
  return [...before, { id, field, text: value }];
}

/**
 * The whole backends that the changes make of those of `spec`, by component id, as an agent takes them. Checked here, so that a
 * mistake is found before anything is asked of the destination. Errors: `backend-replacement-invalid`.
 */
export function changeBackends(
  spec: InstanceSpec,
  changes: readonly BackendChange[],
): Record<string, InstanceSpec['components'][string]> {
  const replacements = new Map<string, Readonly<Record<string, unknown>>>();
  for (const { id, field, text } of changes) {
    const before: Readonly<Record<string, unknown>> =
      replacements.get(id) ?? (Object.hasOwn(spec.components, id) ? spec.components[id] : undefined) ?? {};
    replacements.set(id, { ...before, [field]: valueLike(text, before[field]) });
  }
  const { components } = replaceBackends(spec, Object.fromEntries(replacements));
  return Object.fromEntries(Object.entries(components).filter(([id]) => replacements.has(id)));
}

/** The text as a value of the kind that is there now. */
function valueLike(text: string, current: unknown): unknown {
  if (typeof current === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}
