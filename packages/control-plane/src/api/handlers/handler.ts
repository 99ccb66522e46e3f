/** What a handler is given and gives: typed by the contract, so that a field that it misses is found by the compiler. */
import type { PathParameter, publicEndpoints } from '@drover/protocol';
import type { z } from 'zod';

export type PublicEndpoints = typeof publicEndpoints;
export type PublicEndpointName = keyof PublicEndpoints;

type Parsed<T> = T extends z.ZodType ? z.output<T> : null;

/** A request after validation. */
export interface Call<K extends PublicEndpointName> {
  readonly path: Readonly<Record<PathParameter<PublicEndpoints[K]['path']>, string>>;
  readonly body: Parsed<PublicEndpoints[K]['body']>;
  readonly query: Parsed<PublicEndpoints[K]['query']>;
  /** Who asks. */
  readonly actor: string;
}

type Answer<K extends PublicEndpointName> = PublicEndpoints[K]['response'] extends z.ZodType
  ? z.input<PublicEndpoints[K]['response']>
  : PublicEndpoints[K]['response'] extends 'text'
    ? string
    : never;

/** Endpoints that answer with one document; event streams have a module of their own. */
export type DocumentEndpoint = {
  [K in PublicEndpointName]: Answer<K> extends never ? never : K;
}[PublicEndpointName];

export type Handler<K extends DocumentEndpoint> = (call: Call<K>) => Promise<Answer<K>>;
export type Handlers = { readonly [K in DocumentEndpoint]: Handler<K> };
/** The handlers of one subject. */
export type HandlersOf<K extends DocumentEndpoint> = Pick<Handlers, K>;
