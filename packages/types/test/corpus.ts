import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of frozen documents. */
export const testdata = join(dirname(fileURLToPath(import.meta.url)), '..', 'testdata');

/** A frozen document: its name in the folder and its exact text. */
export interface FrozenDocument {
  readonly file: string;
  readonly text: string;
}

/** Every document under one folder, `instance-spec/v1`, in order. */
export function frozenDocuments(folder: string): readonly FrozenDocument[] {
  return readdirSync(join(testdata, folder))
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => ({
      file: `${folder}/${name}`,
      text: readFileSync(join(testdata, folder, name), 'utf8'),
    }));
}

/** As the corpus is written. */
export function asText(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}
