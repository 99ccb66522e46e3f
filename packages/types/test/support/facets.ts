import type { z } from 'zod';

/**
 * What there is to say in a shape, each as a path: a field given, a field left out, each choice of an enum or union, a list with
 * something in it and an empty one. A corpus covers a version when its documents together say all of it.
 */
export function facetsOf(schema: z.ZodType): ReadonlySet<string> {
  const facets = new Set<string>();
  collect(schema, '', facets);
  return facets;
}

/** The facets that one value of the shape says; `value` as it stands in the document, defaults not filled in. */
export function facetsIn(schema: z.ZodType, value: unknown): ReadonlySet<string> {
  const facets = new Set<string>();
  match(schema, value, '', facets);
  return facets;
}

function collect(schema: z.ZodType, path: string, facets: Set<string>): void {
  const { def } = inside(schema);
  switch (def.type) {
    case 'object':
      for (const [field, part] of Object.entries(def.shape)) collect(part, `${path}.${field}`, facets);
      break;
    case 'optional':
    case 'default':
      facets.add(`${path} left out`).add(`${path} given`);
      collect(def.innerType, path, facets);
      break;
    case 'nullable':
      facets.add(`${path} null`).add(`${path} not null`);
      collect(def.innerType, path, facets);
      break;
    case 'array':
      if (def.element.safeParse(undefined).success) throw new Error('elements cannot be left out');
      facets.add(`${path} with elements`);
      if (schema.safeParse([]).success) facets.add(`${path} without elements`);
      collect(def.element, `${path}[]`, facets);
      break;
    case 'record':
      facets.add(`${path} with entries`);
      if (schema.safeParse({}).success) facets.add(`${path} without entries`);
      collect(def.valueType, `${path}.*`, facets);
      break;
    case 'union':
      for (const option of def.options) collect(option, `${path}<${tagOf(option)}>`, facets);
      break;
    case 'enum':
      for (const choice of Object.values(def.entries)) facets.add(`${path}=${choice}`);
      break;
    case 'boolean':
      facets.add(`${path}=true`).add(`${path}=false`);
      break;
    case 'literal':
    case 'string':
    case 'number':
      facets.add(`${path} given`);
      break;
  }
}

function match(schema: z.ZodType, value: unknown, path: string, facets: Set<string>): void {
  const { def } = inside(schema);
  switch (def.type) {
    case 'object':
      for (const [field, part] of Object.entries(def.shape)) {
        match(part, Reflect.get(Object(value), field), `${path}.${field}`, facets);
      }
      break;
    case 'optional':
    case 'default':
      facets.add(value === undefined ? `${path} left out` : `${path} given`);
      if (value !== undefined) match(def.innerType, value, path, facets);
      break;
    case 'nullable':
      facets.add(value === null ? `${path} null` : `${path} not null`);
      if (value !== null) match(def.innerType, value, path, facets);
      break;
    case 'array': {
      const elements = value as readonly unknown[];
      facets.add(elements.length > 0 ? `${path} with elements` : `${path} without elements`);
      for (const element of elements) match(def.element, element, `${path}[]`, facets);
      break;
    }
    case 'record': {
      const parts = Object.values(Object(value));
      facets.add(parts.length > 0 ? `${path} with entries` : `${path} without entries`);
      for (const part of parts) match(def.valueType, part, `${path}.*`, facets);
      break;
    }
    case 'union': {
      const option = def.options.find((candidate) => candidate.safeParse(value).success);
      if (option === undefined) throw new Error(`${path} is none of its options`);
      match(option, value, `${path}<${tagOf(option)}>`, facets);
      break;
    }
    case 'enum':
    case 'boolean':
      facets.add(`${path}=${value}`);
      break;
    case 'literal':
    case 'string':
    case 'number':
      facets.add(`${path} given`);
      break;
  }
}

/** The parts of zod's own description of a shape that this house's documents use. */
export type Definition =
  | { readonly type: 'object'; readonly shape: Readonly<Record<string, z.ZodType>> }
  | { readonly type: 'optional' | 'default' | 'nullable'; readonly innerType: z.ZodType }
  | { readonly type: 'array'; readonly element: z.ZodType }
  | { readonly type: 'record'; readonly keyType: z.ZodType; readonly valueType: z.ZodType }
  | { readonly type: 'union'; readonly options: readonly z.ZodType[] }
  | { readonly type: 'enum'; readonly entries: Readonly<Record<string, string>> }
  | { readonly type: 'literal'; readonly values: readonly unknown[] }
  | { readonly type: 'boolean' | 'string' | 'number' };

const known: readonly string[] = [
  'object',
  'optional',
  'default',
  'nullable',
  'array',
  'record',
  'union',
  'enum',
  'literal',
  'boolean',
  'string',
  'number',
] satisfies Definition['type'][];

export function inside(schema: z.ZodType): { readonly def: Definition } {
  const { def } = schema._zod;
  if (!known.includes(def.type))
    throw new Error(`a shape of type ${def.type} is new here: teach the tests about it`);
  return { def: def as unknown as Definition };
}

/** The value of the first literal of an option: its kind. */
export function tagOf(option: z.ZodType): string {
  const { def } = inside(option);
  if (def.type !== 'object') throw new Error('an option of a union is no object');
  for (const part of Object.values(def.shape)) {
    const field = inside(part).def;
    if (field.type === 'literal') return String(field.values[0]);
  }
  throw new Error('an option of a union has no tag');
}
