/** What depends on the two releases alone: their protocols and APIs. */
import { formatVersions } from '../document/versions.js';
import { type CompatibilityFinding, note, refusal, type Side, type Sides } from './finding.js';
import { newestCommon } from './newest-common.js';
import { addedBySpec } from './spec-features.js';

export function* comparePeers({ a, b }: Sides): Iterable<CompatibilityFinding> {
  const [ours, theirs] = [a.manifest.peerProtocol, b.manifest.peerProtocol];
  const common = newestCommon(ours, theirs);
  const older = behind(a, b, ({ manifest }) => newest(manifest.peerProtocol));
  if (common === null) {
    yield refusal(
      'both',
      'peer-version-unknown',
      `${a.name} speaks peer protocol ${formatVersions(ours)}, ${b.name} ${formatVersions(theirs)}: no version is common.`,
      `Upgrade ${older.name}.`,
    );
  } else if (common < Math.max(newest(ours), newest(theirs))) {
    yield note(
      'both',
      'peer-version-older',
      `Both sides use peer protocol ${common}, the newest that ${older.name} speaks.`,
      `Nothing; upgrade ${older.name} for what newer versions add.`,
    );
  }
}

/** The source writes the newest version that the destination reads and that loses nothing of the instance. */
export function* compareSpecs({ a, b, directions }: Sides): Iterable<CompatibilityFinding> {
  const common = newestCommon(a.manifest.instanceSpec, b.manifest.instanceSpec);
  if (common === null) {
    const older = behind(a, b, ({ manifest }) => newest(manifest.instanceSpec));
    yield refusal(
      'both',
      'spec-version-unknown',
      `${a.name} reads and writes instance spec ${formatVersions(a.manifest.instanceSpec)}, ${b.name} ${formatVersions(b.manifest.instanceSpec)}: no version is common.`,
      `Upgrade ${older.name}.`,
    );
    return;
  }
  for (const { direction, source, destination } of directions) {
    const lost = source.manifest.instanceSpec.filter((version) => version > common);
    if (lost.length === 0) continue;
    yield note(
      direction,
      'spec-features-stay',
      `${destination.name} reads instance spec ${formatVersions(destination.manifest.instanceSpec)}, so an instance stays on ${source.name} when it uses ${lost.map(addedBySpec).join('; or ')}.`,
      `Nothing for other instances; upgrade ${destination.name} to move these as well.`,
    );
  }
}

export function* compareCapabilities({ directions }: Sides): Iterable<CompatibilityFinding> {
  for (const { source: has, destination: lacks } of directions) {
    const lost = has.manifest.capabilities.filter((name) => !lacks.manifest.capabilities.includes(name));
    if (lost.length === 0) continue;
    yield note(
      'both',
      'capability-unused',
      `${lacks.name} has no ${lost.join(', ')}, so migrations with ${has.name} go without.`,
      `Nothing; upgrade ${lacks.name} to use it.`,
    );
  }
}

/** A control plane or command line of one side and an agent of the other. */
export function* compareApi({ a, b }: Sides): Iterable<CompatibilityFinding> {
  const versions = ({ manifest }: Side) => manifest.agentApi.map(Number.parseFloat);
  const say = ({ manifest }: Side) => manifest.agentApi.join(', ');
  const common = newestCommon(versions(a), versions(b));
  const older = behind(a, b, (side) => newest(versions(side)));
  if (common === null) {
    yield refusal(
      'both',
      'api-version-unknown',
      `${a.name} has agent API ${say(a)}, ${b.name} ${say(b)}: a control plane or command line of one cannot ask an agent of the other.`,
      `Use each with agents that share a version, or upgrade ${older.name}.`,
    );
  } else if (common < Math.max(newest(versions(a)), newest(versions(b)))) {
    yield note(
      'both',
      'api-version-older',
      `Between ${a.name} and ${b.name} agent API ${common}.0.0 is used, the newest that ${older.name} has.`,
      `Nothing; upgrade ${older.name} for what newer versions add.`,
    );
  }
}

/** The side that is behind in something; of two equal ones the second. */
function behind(a: Side, b: Side, measure: (side: Side) => number): Side {
  return measure(a) < measure(b) ? a : b;
}

function newest(versions: readonly number[]): number {
  return Math.max(...versions);
}

/** Of guests under Cloud Hypervisor: the sender states its newest version and no other, and the receiver must have it. */
export function* compareCloudHypervisor({ directions }: Sides): Iterable<CompatibilityFinding> {
  for (const { direction, source, destination } of directions) {
    if (!source.manifest.drivers.some(({ name }) => name === 'cloud-hypervisor')) continue;
    const stated = source.manifest.cloudHypervisorWire.at(-1);
    const taken = destination.manifest.cloudHypervisorWire;
    if (stated === undefined || taken.includes(stated)) continue;
    yield refusal(
      direction,
      'cloud-hypervisor-version-unknown',
      `${source.name} states Cloud Hypervisor wire ${stated}, and ${destination.name} takes ${formatVersions(taken)}: guests under cloud-hypervisor cannot move there.`,
      `Upgrade ${destination.name}.`,
    );
  }
}
