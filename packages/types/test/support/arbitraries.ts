import fc from 'fast-check';
import { z } from 'zod';
import { backendsOfDevice } from '../../src/instance-spec/rules.js';
import { documentVersions } from './documents.js';
import { inside, tagOf } from './facets.js';

/** Strings that a shape checks by code, which says nothing of what would pass: paths under /dev, and base64 of whole sectors. */
const codedStrings: readonly fc.Arbitrary<string>[] = [
  fc.stringMatching(/^\/dev\/[a-z]{1,8}(\/[a-z0-9.]{3,8})?$/),
  fc.integer({ min: 1, max: 3 }).map((sectors) => Buffer.alloc(sectors * 512, sectors).toString('base64')),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
];

/**
 * Random bodies of one version of one kind of document, as its shape says and valid by its rules, defaults filled in. They are derived from the
 * shape, so a new version is tested as soon as it exists.
 */
function bodyOf({ folder, version, schema, kind }: (typeof documentVersions)[number]): fc.Arbitrary<unknown> {
  const any = folder === 'instance-spec' ? specOf(schema) : anyOf(schema).map(arrange);
  return any
    .map((body) => schema.parse(body))
    .filter((body) => kind.rules(kind.versions.up(version, body)).length === 0);
}

/** Every version with its random bodies. */
export const randomDocuments = documentVersions.map((each) => ({ ...each, body: bodyOf(each) }));

function anyOf(schema: z.ZodType): fc.Arbitrary<unknown> {
  const { def } = inside(schema);
  switch (def.type) {
    case 'object': {
      const fields = Object.entries(def.shape).map(([name, part]) => [name, anyOf(part)] as const);
      return fc.record(Object.fromEntries(fields)).filter((value) => schema.safeParse(value).success);
    }
    case 'optional':
      return fc.option(anyOf(def.innerType), { nil: undefined });
    case 'default':
      return fc.option(anyOf(def.innerType), { nil: undefined, freq: 2 });
    case 'nullable':
      return fc.option(anyOf(def.innerType), { nil: null, freq: 2 });
    case 'array':
      return fc
        .array(anyOf(def.element), { maxLength: 3 })
        .filter((value) => schema.safeParse(value).success);
    case 'record':
      return fc
        .dictionary(anyOf(def.keyType) as fc.Arbitrary<string>, anyOf(def.valueType), { maxKeys: 3 })
        .filter((value) => schema.safeParse(value).success);
    case 'union':
      return fc.oneof(...def.options.map(anyOf));
    case 'enum':
      return fc.constantFrom(...Object.values(def.entries));
    case 'literal':
      return fc.constantFrom(...def.values);
    case 'boolean':
      return fc.boolean();
    case 'number':
      return numberOf(schema);
    case 'string':
      return stringOf(schema);
  }
}

/** Small numbers, the ends of the range, and what is between. */
function numberOf(schema: z.ZodType): fc.Arbitrary<number> {
  const { type, minimum = -1e9, maximum = Number.MAX_SAFE_INTEGER } = z.toJSONSchema(schema);
  const whole = fc.oneof(
    fc.integer({ min: minimum, max: Math.min(maximum, minimum + 300) }),
    fc.maxSafeInteger().map((number) => minimum + (Math.abs(number) % (maximum - minimum + 1))),
    fc.constantFrom(minimum, maximum),
  );
  const fraction = fc.double({ min: minimum, max: 1e9, noNaN: true });
  return (type === 'integer' ? whole : fc.oneof(whole, fraction)).filter(Number.isFinite).map((n) => n + 0);
}

function stringOf(schema: z.ZodType): fc.Arbitrary<string> {
  const { pattern } = z.toJSONSchema(schema);
  const passes = (text: string) => schema.safeParse(text).success;
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern, 'u')).filter(passes);
  const usable = codedStrings.filter((strings) => fc.sample(strings, { numRuns: 5, seed: 1 }).every(passes));
  return fc.oneof(...usable).filter(passes);
}

/** Specs whose devices have backends, so that the rules hold often enough. */
function specOf(schema: z.ZodType): fc.Arbitrary<unknown> {
  const { components, boot, ...fields } = shapeOf(schema);
  const [kernel] = optionsOf(boot);
  if (kernel === undefined) throw new Error('a spec has no boot');
  const kinds = new Map(optionsOf(components).map((option) => [tagOf(option), option]));
  const units = [...kinds].flatMap(([kind, option]) => {
    if (!(kind in backendsOfDevice)) return standsAlone(option) ? [anyOf(option).map((part) => [part])] : [];
    const backends = backendsOfDevice[kind as keyof typeof backendsOfDevice].flatMap((name) => {
      const backend = kinds.get(name);
      return backend === undefined ? [] : [anyOf(backend)];
    });
    return [fc.tuple(anyOf(option), fc.oneof(...backends))];
  });
  const rest = fc.record(
    Object.fromEntries(Object.entries(fields).map(([name, part]) => [name, anyOf(part)])),
  );
  return fc
    .tuple(rest, anyOf(kernel), fc.array(fc.oneof(...units), { maxLength: 5 }), fc.boolean(), fc.boolean())
    .map(([spec, kernelBoot, parts, fromDisks, withComponents]) => {
      const wired = withComponents ? wire(parts as readonly (readonly Part[])[]) : {};
      const disks = Object.keys(wired).filter((id) => String(wired[id]?.kind).endsWith('-disk'));
      const order = disks.toReversed().slice(0, 16);
      return {
        ...spec,
        boot: fromDisks && order.length > 0 ? { from: 'disks', order } : kernelBoot,
        components: wired,
      };
    });
}

type Part = Readonly<Record<string, unknown>>;

/** Names the parts, gives every device its backend, and takes away what would clash. */
function wire(units: readonly (readonly Part[])[]): Record<string, Part> {
  const components: Record<string, Part> = {};
  for (const [index, [device, backend]] of units.entries()) {
    const id = `c${index}`;
    const slot =
      device?.pciSlot === undefined ? {} : { pciSlot: 1 + ((Number(device.pciSlot) + index) % 31) };
    const mac = device?.mac === undefined ? {} : { mac: `52${String(device.mac).slice(2)}` };
    components[id] = { ...device, ...slot, ...mac };
    if (backend === undefined) continue;
    components[id] = { ...components[id], backend: `${id}-b` };
    components[`${id}-b`] = backend;
  }
  return components;
}

function standsAlone(option: z.ZodType): boolean {
  return !Object.values(backendsOfDevice).some((kinds) => kinds.some((kind) => kind === tagOf(option)));
}

type SpecShape = Readonly<Record<string, z.ZodType>> & Readonly<Record<'components' | 'boot', z.ZodType>>;

function shapeOf(schema: z.ZodType): SpecShape {
  const { def } = inside(schema);
  if (def.type !== 'object') throw new Error('a spec is no object');
  return def.shape as SpecShape;
}

/** The options of a union, also of one that is the value of a record or has a default. */
function optionsOf(schema: z.ZodType): readonly z.ZodType[] {
  const { def } = inside(schema);
  if (def.type === 'union') return def.options;
  if (def.type === 'record') return optionsOf(def.valueType);
  if (def.type === 'default') return optionsOf(def.innerType);
  throw new Error(`there are no options in a ${def.type}`);
}

/** Makes the parts of a host or a manifest agree that its rules tie together. */
function arrange(body: unknown): unknown {
  const arranged = sortWindows(body);
  if (!isPart(arranged)) return arranged;
  if (isPart(arranged.compatibility)) {
    const { host, release, drivers } = arranged.compatibility;
    const name = host ?? 'north';
    return { ...arranged, name, release, compatibility: { ...arranged.compatibility, host: name, drivers } };
  }
  if ('accepts' in arranged)
    return { ...arranged, name: `n${arranged.name}`, release: `r${arranged.release}` };
  return arranged.host === null ? { ...arranged, drivers: [] } : arranged;
}

/** Every list of a body in order and without what is twice; lists of versions as a manifest bounds them. */
function sortWindows(value: unknown): unknown {
  if (Array.isArray(value)) {
    if (value.every((element) => typeof element === 'number')) {
      return [...new Set(value.map((number) => Math.min(number, 65_535)))].sort((a, b) => a - b);
    }
    if (value.every((element) => typeof element === 'string')) {
      const numbers = value.every((text) => !Number.isNaN(Number.parseFloat(text)));
      // Versions of an API ascend by number, names by their characters.
      return numbers
        ? [...new Set(value)].sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b))
        : [...new Set(value)].sort();
    }
    const named = new Map(
      value.map((element, index) => [isPart(element) ? (element.name ?? index) : index, element]),
    );
    return [...named.values()].map(sortWindows);
  }
  if (!isPart(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, sortWindows(part)]));
}

function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
