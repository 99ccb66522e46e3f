/** Could this instance leave this host? What {@link OutgoingMigrations.start} and the sending half would refuse, all of it. */
import type { CpuDefinition, Preflight, PreflightFinding } from '@drover/protocol';
import { findObstacles } from '@drover/source-agent';
import type { InstanceSpec } from '@drover/types';
import type { AgentParts } from '../host-agent.js';
import { refuseUnlessRunning } from '../migrations/outgoing.js';
import { refused } from './finding.js';

/** Errors: `instance-not-found`. */
export async function checkDeparture({ registry }: AgentParts, reference: string): Promise<Preflight> {
  const instance = registry.find(reference);
  const findings: PreflightFinding[] = [];
  const attempt = async (check: () => unknown) => {
    try {
      await check();
    } catch (thrown) {
      findings.push(refused(thrown));
    }
  };
  await attempt(() => instance.refuseWhenHeld('migrate'));
  if (instance.snapshot.migration === null) await attempt(() => refuseUnlessRunning(instance));
  const { vmm } = instance;
  if (vmm === null || findings.length > 0) return { findings, cpu: null };
  findings.push(...(await findObstacles(vmm, instance.name)).map(refused));
  await attempt(() => vmm.deviceStates());
  let cpu: CpuDefinition | null = null;
  await attempt(async () => {
    cpu = await vmm.cpu();
  });
  if (hasDirectIo(instance.spec)) {
    findings.push({
      severity: 'note',
      code: 'rounds-quiesced',
      sentence: `Instance ${instance.name} has disks that are opened with O_DIRECT: it is stopped for a millisecond or two in each round.`,
      remedy: 'Nothing; or use cache=writeback.',
    });
  }
  return { findings, cpu };
}

function hasDirectIo({ components }: InstanceSpec): boolean {
  return Object.values(components).some(
    (component) =>
      (component.kind === 'file-storage' || component.kind === 'block-storage') && component.cache === 'none',
  );
}
