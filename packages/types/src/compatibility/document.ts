import { DOCUMENT_LIMITS } from '../document/json.js';
import {
  type DocumentKind,
  type Envelope,
  type RuleViolation,
  readDocument,
  writeDocument,
} from '../document/kind.js';
import { VersionHistory } from '../document/versions.js';
import { type CompatibilityV1, compatibilityV1 } from './v1.js';

/** Name of compatibility manifests in an envelope. */
export const COMPATIBILITY_SCHEMA = 'drover.compatibility';
/** Versions that this release reads and writes, oldest first. To add one: the steps at {@link VersionHistory}. */
export const COMPATIBILITY_VERSIONS = [1] as const;

export const compatibilityDocument: DocumentKind<CompatibilityV1> = {
  schema: COMPATIBILITY_SCHEMA,
  title: 'a compatibility manifest',
  root: 'compatibility',
  versions: VersionHistory.from(1, compatibilityV1),
  rules: checkManifest,
  limits: DOCUMENT_LIMITS,
  invalidCode: 'document-invalid',
  versionCode: 'document-version-unknown',
  lossCode: 'document-not-convertible',
};

/** Errors: `document-invalid`, `document-version-unknown`, `document-schema-unknown`, `document-malformed`, `document-too-large`. */
export function readCompatibility(document: unknown): CompatibilityV1 {
  return readDocument(compatibilityDocument, document);
}

/** Writes the newest version among `accepted` (default: the newest). Errors: `document-invalid`, `document-version-unknown`. */
export function writeCompatibility(manifest: CompatibilityV1, accepted?: readonly number[]): Envelope {
  return writeDocument(compatibilityDocument, manifest, accepted);
}

/** What the shape cannot say: windows ascend and hold nothing twice, a bare release has no drivers, and names can be printed. */
export function checkManifest(manifest: CompatibilityV1): readonly RuleViolation[] {
  const { release, host, deviceStates, capabilities, agentApi, drivers, ...windows } = manifest;
  const problems: RuleViolation[] = [];
  const ascending = (path: readonly PropertyKey[], numbers: readonly number[]) => {
    if (numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? number))) return;
    problems.push({ path, message: 'does not ascend' });
  };
  const distinct = (path: readonly PropertyKey[], names: readonly string[]) => {
    const twice = names.find((name, index) => names.indexOf(name) < index);
    if (twice !== undefined) problems.push({ path, message: `names "${twice}" twice` });
  };
  for (const [window, numbers] of Object.entries(windows)) ascending([window], numbers);
  for (const [kind, numbers] of Object.entries(deviceStates)) ascending(['deviceStates', kind], numbers);
  ascending(['agentApi'], agentApi.map(Number.parseFloat));
  distinct(['capabilities'], capabilities);
  distinct(
    ['drivers'],
    drivers.map(({ name }) => name),
  );
  const texts = [release, host ?? '', ...capabilities, ...drivers.flatMap(driverTexts)];
  if (texts.some((text) => UNPRINTABLE.test(text))) {
    problems.push({ path: [], message: 'has a name with control characters' });
  }
  if (host === null && drivers.length > 0)
    problems.push({ path: ['drivers'], message: 'is given without a host' });
  return problems;
}

/** What steers a terminal or the direction of reading. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

function driverTexts(driver: CompatibilityV1['drivers'][number]): readonly string[] {
  return [driver.version ?? '', ...driver.machineTypes, ...driver.accelerators, ...driver.ramModes];
}
