import type { z } from 'zod';

/** One endpoint of an HTTP API: what its server validates, its client is typed by and its document shows. */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `/instances/{instance}`: parameters in braces. */
  readonly path: string;
  readonly summary: string;
  readonly body: z.ZodType | null;
  readonly query: z.ZodType | null;
  /** `none`: an answer without a body. */
  readonly response: z.ZodType | 'text' | 'sse' | 'websocket' | 'none';
  /** What one event's data is, where the answer is a stream of them. */
  readonly event?: z.ZodType;
  readonly status: number;
}

export type Endpoints = Readonly<Record<string, Endpoint>>;

/** One version of an HTTP API. */
export interface ApiVersion {
  /** `N.0.0`. */
  readonly version: string;
  readonly endpoints: Endpoints;
  /** Parts that its document names, so that they stand there once. Names are of the document alone. */
  readonly components: {
    readonly requests: Readonly<Record<string, z.ZodType>>;
    readonly answers: Readonly<Record<string, z.ZodType>>;
  };
}

/** An HTTP API with every version that is served, oldest first. */
export interface HttpApi {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** The header in which a request names its version; null where there is but one for ever. */
  readonly versionHeader: string | null;
  /** Every error response. */
  readonly error: z.ZodType;
  readonly versions: readonly ApiVersion[];
}

/** The parameters in a path: `/instances/{instance}/log` → `instance`. */
export type PathParameter<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | PathParameter<Rest>
  : never;

/** What stands in a path, in order: `/instances/{instance}/log` → `['instance']`. */
export function pathParameters(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
}
