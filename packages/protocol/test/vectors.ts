import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PEER_VERSIONS, type PeerVersion } from '../src/index.js';

/** The folder of golden vectors. */
export const vectorFolder = join(dirname(fileURLToPath(import.meta.url)), '..', 'vectors');

export type VectorKind = 'preamble' | 'bulk-hello' | 'bulk-frame' | 'round-digest' | 'control-frame';

/** Bytes and what they mean, or why they are refused. */
export interface Vector {
  readonly name: string;
  readonly kind: VectorKind;
  readonly hex: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly refusal?: string;
}

/** The vectors that each protocol version added; what a later version left alone is not repeated there. */
export const vectorsByVersion: ReadonlyMap<PeerVersion, readonly Vector[]> = new Map(
  PEER_VERSIONS.map((version) => [
    version,
    readdirSync(vectorFolder)
      .filter((name) => name.startsWith(`peer-v${version}`) && name.endsWith('.json'))
      .sort()
      .flatMap((name) => JSON.parse(readFileSync(join(vectorFolder, name), 'utf8')) as Vector[]),
  ]),
);

/** Every vector of protocol version 1. */
export const vectors: readonly Vector[] = vectorsByVersion.get(1) ?? [];

/** What version 2 changed of version 1's vectors: read differently there, or not at all. */
const CHANGED_BY_V2 = /^control-frame (hello|prepare|report)(-|$)|^bulk-frame round-end-with-payload-crc/;

/** Everything that must hold for one version: its own vectors and those that it took over. */
export function vectorsFor(version: PeerVersion): readonly Vector[] {
  const own = vectorsByVersion.get(version) ?? [];
  if (version === 1) return own;
  return [...vectors.filter(({ kind, name }) => !CHANGED_BY_V2.test(`${kind} ${name}`)), ...own];
}

/** The names of the files that are frozen. */
export const vectorFiles: readonly string[] = readdirSync(vectorFolder)
  .filter((name) => /\.(json|txt)$/.test(name))
  .sort();

export function vectorsOf(
  kind: VectorKind,
  version: PeerVersion = 1,
): { valid: readonly Vector[]; invalid: readonly Vector[] } {
  const ofKind = vectorsFor(version).filter((vector) => vector.kind === kind);
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
