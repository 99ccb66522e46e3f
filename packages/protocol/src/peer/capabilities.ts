import { protocolErrors } from '../errors.js';
import { Capability, type CapabilityName } from './registry.js';

/** Of what both sides offer, everything: the source's choice. Ascending. */
export function chooseCapabilities(ours: readonly number[], theirs: readonly number[]): readonly number[] {
  return ours.filter((number) => theirs.includes(number)).toSorted((a, b) => a - b);
}

/** Throws `capability-not-offered` where a source chose something that this side did not offer (R7). */
export function checkCapabilities(
  chosen: readonly number[],
  offered: readonly number[],
  source: string,
): void {
  const extra = chosen.filter((number) => !offered.includes(number));
  if (extra.length === 0) return;
  const said = offered.length === 0 ? 'none' : sayCapabilities(offered).join(', ');
  throw protocolErrors.error(
    'capability-not-offered',
    `The source ${source} chose ${sayCapabilities(extra).join(', ')}, and this host offered ${said}; the source is of a broken release.`,
  );
}

/** Names for people and reports; a number that this release does not know stays a number. */
export function sayCapabilities(numbers: readonly number[]): readonly string[] {
  return numbers.map((number) => nameOf.get(number) ?? `capability ${number}`);
}

const nameOf = new Map<number, CapabilityName>(
  Object.entries(Capability).map(([name, number]) => [number, name as CapabilityName]),
);
