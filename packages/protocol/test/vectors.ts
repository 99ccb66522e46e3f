import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of golden vectors. */
export const vectorFolder = join(dirname(fileURLToPath(import.meta.url)), '..', 'vectors');

export type VectorKind = 'preamble' | 'bulk-hello' | 'bulk-frame' | 'control-frame';

/** Bytes and what they mean, or why they are refused. */
export interface Vector {
  readonly name: string;
  readonly kind: VectorKind;
  readonly hex: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly refusal?: string;
}

/** Every vector of protocol version 1. */
export const vectors: readonly Vector[] = JSON.parse(
  readFileSync(join(vectorFolder, 'peer-v1.json'), 'utf8'),
);

/** The names of the files that are frozen. */
export const vectorFiles: readonly string[] = readdirSync(vectorFolder)
  .filter((name) => /\.(json|txt)$/.test(name))
  .sort();

export function vectorsOf(kind: VectorKind): { valid: readonly Vector[]; invalid: readonly Vector[] } {
  const ofKind = vectors.filter((vector) => vector.kind === kind);
  return {
    valid: ofKind.filter(({ refusal }) => refusal === undefined),
    invalid: ofKind.filter(({ refusal }) => refusal !== undefined),
  };
}

export function bytesOf(vector: Vector): Uint8Array {
  return new Uint8Array(Buffer.from(vector.hex, 'hex'));
}

/** The same vectors as lines for readers without JSON; control frames are TypeScript's alone. */
export function asLines(all: readonly Vector[]): string {
  const lines = all
    .filter(({ kind }) => kind !== 'control-frame')
    .map(({ name, kind, hex, fields, refusal }) =>
      fields === undefined
        ? ['invalid', kind, name, hex, refusal]
        : [kind, name, hex, ...Object.entries(fields).map(([field, value]) => `${field}=${value}`)],
    );
  return lines.map((words) => `${words.join(' ')}\n`).join('');
}
