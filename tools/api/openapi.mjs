/** Renders one version of an HTTP API as an OpenAPI 3.1 document. The same contract gives the same document, byte for byte. */
import { pathParameters } from '@drover/protocol/http';
import { z } from 'zod';

/** @typedef {import('@drover/protocol/http').HttpApi} HttpApi */
/** @typedef {import('@drover/protocol/http').ApiVersion} ApiVersion */
/** @typedef {import('@drover/protocol/http').Endpoint} Endpoint */
/** @typedef {Record<string, unknown>} Json */

/** The name of the error response among the components. */
const ERROR = 'Error';

/**
 * @param {HttpApi} api
 * @param {ApiVersion} version
 * @returns {Json}
 */
export function openApiDocument(api, version) {
  const requests = new Schemas('input', version.components.requests);
  const answers = new Schemas('output', { ...version.components.answers, [ERROR]: api.error });
  /** @type {Record<string, Json>} */
  const paths = {};
  for (const [name, endpoint] of Object.entries(version.endpoints)) {
    paths[endpoint.path] ??= {};
    Object.assign(paths[endpoint.path] ?? {}, {
      [endpoint.method.toLowerCase()]: operation(
        name,
        endpoint,
        api.versionHeader,
        version,
        requests,
        answers,
      ),
    });
  }
  return {
    openapi: '3.1.0',
    info: {
      title: api.title,
      version: version.version,
      description: api.description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: { schemas: joined(api.name, requests.components(), answers.components()) },
  };
}

/**
 * @param {string} name
 * @param {Endpoint} endpoint
 * @param {string | null} versionHeader
 * @param {ApiVersion} version
 * @param {Schemas} requests
 * @param {Schemas} answers
 * @returns {Json}
 */
function operation(name, endpoint, versionHeader, { version }, requests, answers) {
  const { path, summary, body, query, response, status } = endpoint;
  const versioned = versionHeader === null ? [] : [{ name: versionHeader, schema: { const: version } }];
  const parameters = [
    ...pathParameters(path).map((parameter) => ({
      name: parameter,
      in: 'path',
      required: true,
      schema: { type: 'string', minLength: 1 },
    })),
    ...versioned.map((header) =>
      // A browser sets no header on a WebSocket, so there the query may say it instead.
      ({ ...header, in: 'header', required: response !== 'websocket' }),
    ),
    ...versioned
      .filter(() => response === 'websocket')
      .map((header) => ({ ...header, in: 'query', required: false })),
    ...(query === null ? [] : queryParameters(requests.inline(query))),
  ];
  const headers = Object.fromEntries(versioned.map(({ name: header, schema }) => [header, { schema }]));
  return {
    operationId: name,
    summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === null
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: requests.of(body) } } } }),
    responses: {
      [status]: {
        description: describe(response),
        ...(versioned.length > 0 ? { headers } : {}),
        ...content(endpoint, answers),
      },
      default: {
        description: 'It was refused, or failed; the code says why.',
        content: { 'application/json': { schema: { $ref: `#/components/schemas/${ERROR}` } } },
      },
    },
  };
}

/**
 * @param {Endpoint['response']} response
 * @returns {string}
 */
function describe(response) {
  if (response === 'none') return 'Done; there is nothing to say.';
  if (response === 'websocket') return 'A WebSocket follows.';
  return response === 'sse' ? 'Events as they happen.' : 'Done.';
}

/**
 * @param {Endpoint} endpoint
 * @param {Schemas} answers
 * @returns {Json}
 */
function content({ response, event }, answers) {
  if (response === 'none' || response === 'websocket') return {};
  if (response === 'text') return { content: { 'text/plain': { schema: { type: 'string' } } } };
  if (response !== 'sse') return { content: { 'application/json': { schema: answers.of(response) } } };
  // OpenAPI 3.1 has no word for the events of a stream: this is the data of each of them.
  const data =
    event === undefined ? {} : { contentMediaType: 'application/json', contentSchema: answers.of(event) };
  return { content: { 'text/event-stream': { schema: { type: 'string', ...data } } } };
}

/** @param {Json} schema of an object */
function queryParameters(schema) {
  const required = /** @type {string[]} */ (schema.required ?? []);
  return Object.entries(/** @type {Json} */ (schema.properties)).map(([name, property]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema: property,
  }));
}

/** JSON schemas of zod schemas, where those that have a name are references to the components. */
class Schemas {
  /** @type {'input' | 'output'} */
  #io;
  /** @type {Map<z.ZodType, string>} */
  #names;

  /**
   * @param {'input' | 'output'} io what a client sends, defaults left out; or what a server sends, defaults filled in
   * @param {Readonly<Record<string, z.ZodType>>} named
   */
  constructor(io, named) {
    this.#io = io;
    this.#names = new Map(Object.entries(named).map(([name, schema]) => [schema, name]));
  }

  /**
   * @param {z.ZodType} schema
   * @returns {Json}
   */
  of(schema) {
    const name = this.#names.get(schema);
    return name === undefined ? this.inline(schema) : { $ref: reference(name) };
  }

  /**
   * @param {z.ZodType} schema
   * @returns {Json}
   */
  inline(schema) {
    return this.#render(new Map([...this.#names, [schema, INLINE]]))[INLINE] ?? {};
  }

  components() {
    return this.#render(this.#names);
  }

  /**
   * @param {Map<z.ZodType, string>} names
   * @returns {Record<string, Json>}
   */
  #render(names) {
    /** @type {z.core.$ZodRegistry<{ id?: string | undefined }>} */
    const registry = z.registry();
    for (const [schema, id] of names) registry.add(schema, { id });
    const { schemas } = z.toJSONSchema(registry, {
      target: 'draft-2020-12',
      io: this.#io,
      uri: reference,
      override: ({ zodSchema, jsonSchema }) => {
        const { def } = zodSchema._zod;
        // zod closes every object that it writes; a reader leaves alone what it does not know, unless the schema is strict.
        if (def.type === 'object' && !('catchall' in def && def.catchall))
          delete jsonSchema.additionalProperties;
      },
    });
    return Object.fromEntries(
      Object.entries(schemas).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema]),
    );
  }
}

const INLINE = '(inline)';

/** @param {string} name */
function reference(name) {
  return `#/components/schemas/${name}`;
}

/**
 * @param {string} api
 * @param {Record<string, Json>} requests
 * @param {Record<string, Json>} answers
 */
function joined(api, requests, answers) {
  const twice = Object.keys(requests).find((name) => name in answers);
  if (twice !== undefined) throw new Error(`${api}: ${twice} is the name of a request and of an answer`);
  return Object.fromEntries(Object.entries({ ...requests, ...answers }).sort(([a], [b]) => (a < b ? -1 : 1)));
}
