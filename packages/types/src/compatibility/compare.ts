/**
 * What a migration between two releases or hosts would do, said beforehand from their manifests alone.
 *
 * | severity | meaning |
 * | --- | --- |
 * | refused | guests that run on the one side today would be turned down by the other |
 * | note | guests move, but something newer is left unused or stays behind |
 *
 * Versions are chosen as the migration itself chooses them: the newest that both sides have. A refusal has the code that the
 * migration would end with, so that it stands in the list of errors; `finding.ts` has all codes.
 */
import { compareDocuments } from './compare-documents.js';
import { compareDeviceStates, compareDrivers } from './compare-hosts.js';
import {
  compareApi,
  compareCapabilities,
  compareCloudHypervisor,
  comparePeers,
  compareSpecs,
} from './compare-protocols.js';
import { type CompatibilityFinding, nameBoth } from './finding.js';
import { newestCommon } from './newest-common.js';
import type { CompatibilityV1 } from './v1.js';

/** What two sides would use, and what stands in the way. */
export interface Comparison {
  /** True where nothing that is known here refuses the direction. */
  readonly moves: { readonly 'a-to-b': boolean; readonly 'b-to-a': boolean };
  /** The versions that both would use; null where none is common. */
  readonly agreed: {
    readonly peerProtocol: number | null;
    /** The newest that a spec can travel in; each spec takes the newest up to here that loses nothing of it. */
    readonly instanceSpec: number | null;
    readonly agentApi: string | null;
    readonly capabilities: readonly string[];
  };
  readonly findings: readonly CompatibilityFinding[];
}

/** Compares two manifests; pure, and the same in both orders but for the names of the directions. */
export function compareCompatibility(a: CompatibilityV1, b: CompatibilityV1): Comparison {
  const sides = nameBoth(a, b);
  const findings = [
    ...comparePeers(sides),
    ...compareSpecs(sides),
    ...compareDeviceStates(sides),
    ...compareDrivers(sides),
    ...compareCloudHypervisor(sides),
    ...compareCapabilities(sides),
    ...compareApi(sides),
    ...compareDocuments(sides),
  ];
  const refused = (direction: 'a-to-b' | 'b-to-a') =>
    findings.some(
      (finding) =>
        finding.severity === 'refused' && (finding.direction === direction || finding.direction === 'both'),
    );
  const api = newestCommon(a.agentApi.map(Number.parseFloat), b.agentApi.map(Number.parseFloat));
  return {
    moves: { 'a-to-b': !refused('a-to-b'), 'b-to-a': !refused('b-to-a') },
    agreed: {
      peerProtocol: newestCommon(a.peerProtocol, b.peerProtocol),
      instanceSpec: newestCommon(a.instanceSpec, b.instanceSpec),
      agentApi: api === null ? null : `${api}.0.0`,
      capabilities: a.capabilities.filter((name) => b.capabilities.includes(name)),
    },
    findings,
  };
}
