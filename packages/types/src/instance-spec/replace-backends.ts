import { typesErrors } from '../codes.js';
import { checkShape } from '../document/issues.js';
import { formatPath, quoteBriefly } from '../document/quote.js';
import { componentSchema, type InstanceSpec } from './latest.js';
import { type Backend, checkInstanceSpecRules, componentOf, isBackend } from './rules.js';

/** What a guest can see of a backend; it stays as it is, wherever the guest goes. */
const seenByGuest: {
  readonly [Kind in Backend['kind']]: readonly (keyof Extract<Backend, { kind: Kind }>)[];
} = {
  'file-storage': ['readOnly'],
  'block-storage': ['readOnly'],
  'blob-storage': ['contentBase64'],
  'user-network': [],
  'tap-network': [],
  'vhost-user-network': [],
  'vdpa-network': [],
};

/**
 * The spec with other backends, for a host where paths, interfaces and sockets have other names. `replacements` is by component id; each
 * is a whole backend of the same kind, defaults may be left out. Devices, and what a guest sees of its backends, cannot be replaced.
 * `spec` stays as it is.
 *
 * Errors: `backend-replacement-invalid`, which names the component.
 */
export function replaceBackends(
  spec: InstanceSpec,
  replacements: Readonly<Record<string, unknown>>,
): InstanceSpec {
  const components = { ...spec.components };
  for (const [id, replacement] of Object.entries(replacements)) {
    components[id] = replaceBackend(spec, id, replacement);
  }
  const replaced = { ...spec, components };
  const [violation] = checkInstanceSpecRules(replaced);
  if (violation === undefined) return replaced;
  throw refuse(spec, `${formatPath('spec', violation.path)}: ${violation.message}`);
}

function replaceBackend(spec: InstanceSpec, id: string, replacement: unknown): Backend {
  const name = quoteBriefly(id);
  const backend = componentOf(spec, id);
  if (backend === undefined) throw refuse(spec, `it has no component ${name}`);
  if (!isBackend(backend)) throw refuse(spec, `${name} is a ${backend.kind}, which is not a backend`);
  const shape = checkShape(componentSchema, replacement, formatPath('backends', [id]));
  if (!shape.ok) throw refuse(spec, shape.sentence);
  const { value } = shape;
  if (!isBackend(value) || value.kind !== backend.kind) {
    throw refuse(spec, `${name} is a ${backend.kind}, and a ${value.kind} cannot take its place`);
  }
  const fixed: readonly string[] = seenByGuest[backend.kind];
  const changed = fixed.find((field) => Reflect.get(value, field) !== Reflect.get(backend, field));
  if (changed !== undefined)
    throw refuse(spec, `the guest sees ${changed} of ${name}, which must stay as it is`);
  return value;
}

function refuse(spec: InstanceSpec, why: string): Error {
  return typesErrors.error(
    'backend-replacement-invalid',
    `The backends given for "${spec.name}" cannot replace its own: ${why}.`,
  );
}
