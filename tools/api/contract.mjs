/**
 * What an OpenAPI document promises, without how it says it: references are replaced by what they refer to, and texts for
 * people (titles, summaries, descriptions, examples) are gone. Two documents with the same contract are the same API.
 */
import { createHash } from 'node:crypto';

/** @typedef {Record<string, unknown>} Json */

/** Keywords that describe and decide nothing. */
const TEXTS = new Set([
  'title',
  'summary',
  'description',
  '$comment',
  'example',
  'examples',
  'externalDocs',
  'tags',
]);
/** Keywords of a schema whose value is one schema, a list of them, a map of them. */
const SCHEMA = new Set([
  'items',
  'additionalProperties',
  'propertyNames',
  'contains',
  'not',
  'if',
  'then',
  'else',
  'contentSchema',
  'unevaluatedItems',
  'unevaluatedProperties',
]);
const SCHEMA_LISTS = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
const SCHEMA_MAPS = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs']);
/** Lists whose order means nothing. */
const SETS = new Set(['required', 'enum', 'type', 'allOf', 'anyOf', 'oneOf']);

/**
 * @param {Json} document
 * @returns {Json}
 */
export function contractOf(document) {
  const { info, paths, components, ...rest } = document;
  const { schemas, ...otherComponents } = /** @type {Json} */ (components ?? {});
  const walk = new Walk(document);
  return {
    ...withoutTexts(rest),
    version: /** @type {Json} */ (info).version,
    components: otherComponents,
    operations: Object.fromEntries(
      Object.entries(/** @type {Record<string, Json>} */ (paths)).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => [
          `${method.toUpperCase()} ${path}`,
          walk.operation(/** @type {Json} */ (operation)),
        ]),
      ),
    ),
  };
}

/**
 * The digest of a contract: the same for the same API, however it is described.
 * @param {Json} document
 */
export function contractDigest(document) {
  return createHash('sha256')
    .update(canonicalText(contractOf(document)))
    .digest('hex');
}

/**
 * JSON with sorted keys.
 * @param {unknown} value
 * @returns {string}
 */
export function canonicalText(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, part]) => `${JSON.stringify(key)}:${canonicalText(part)}`).join(',')}}`;
}

class Walk {
  /** @type {Json} */
  #document;

  /** @param {Json} document */
  constructor(document) {
    this.#document = document;
  }

  /**
   * @param {Json} operation
   * @returns {Json}
   */
  operation(operation) {
    const { parameters = [], requestBody, responses, ...rest } = withoutTexts(operation);
    return {
      ...rest,
      parameters: Object.fromEntries(
        /** @type {Json[]} */ (parameters).map((parameter) => {
          const { name, in: place, ...each } = withoutTexts(parameter);
          return [`${place} ${name}`, this.#withSchemas(each)];
        }),
      ),
      ...(requestBody === undefined
        ? {}
        : { requestBody: this.#withSchemas(/** @type {Json} */ (requestBody)) }),
      responses: this.#withSchemas(/** @type {Json} */ (responses)),
    };
  }

  /**
   * Everything around schemas: responses, content, headers.
   * @param {Json} part
   * @returns {Json}
   */
  #withSchemas(part) {
    return Object.fromEntries(
      Object.entries(withoutTexts(part)).map(([key, value]) => {
        if (key === 'schema') return [key, this.#schema(value, [])];
        return [key, isObject(value) ? this.#withSchemas(value) : value];
      }),
    );
  }

  /**
   * @param {unknown} schema
   * @param {readonly string[]} inside the references that lead here
   * @returns {unknown}
   */
  #schema(schema, inside) {
    if (!isObject(schema)) return schema;
    const { $ref, ...others } = schema;
    if (typeof $ref === 'string') {
      const above = inside.indexOf($ref);
      // A schema that contains itself ends where it comes round: so many references further up.
      const target =
        above >= 0 ? { cycle: inside.length - above } : this.#schema(this.#resolve($ref), [...inside, $ref]);
      const beside = withoutTexts(others);
      return Object.keys(beside).length === 0 ? target : { allOf: [target, this.#schema(beside, inside)] };
    }
    return Object.fromEntries(
      Object.entries(withoutTexts(others)).map(([keyword, value]) => [
        keyword,
        this.#keyword(keyword, value, inside),
      ]),
    );
  }

  /**
   * @param {string} keyword
   * @param {unknown} value
   * @param {readonly string[]} inside
   * @returns {unknown}
   */
  #keyword(keyword, value, inside) {
    if (SCHEMA.has(keyword)) return this.#schema(value, inside);
    if (SCHEMA_MAPS.has(keyword) && isObject(value)) {
      return Object.fromEntries(
        Object.entries(value).map(([name, each]) => [name, this.#schema(each, inside)]),
      );
    }
    const list =
      SCHEMA_LISTS.has(keyword) && Array.isArray(value)
        ? value.map((each) => this.#schema(each, inside))
        : value;
    return SETS.has(keyword) && Array.isArray(list)
      ? list.toSorted((a, b) => (canonicalText(a) < canonicalText(b) ? -1 : 1))
      : list;
  }

  /**
   * @param {string} $ref
   * @returns {unknown}
   */
  #resolve($ref) {
    /** @type {unknown} */
    let part = this.#document;
    for (const key of $ref.replace(/^#\//, '').split('/')) {
      part = isObject(part) ? part[key.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
    }
    if (part === undefined) throw new Error(`${$ref} refers to nothing`);
    return part;
  }
}

/**
 * @param {Json} part
 * @returns {Json}
 */
function withoutTexts(part) {
  return Object.fromEntries(Object.entries(part).filter(([key]) => !TEXTS.has(key)));
}

/**
 * @param {unknown} value
 * @returns {value is Json}
 */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
