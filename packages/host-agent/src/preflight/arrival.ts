/** Could a guest of this spec come here? What an accepted PREPARE would run into, all of it. */
import { statfs } from 'node:fs/promises';
import type { CpuDefinition, Preflight, PreflightFinding } from '@drover/protocol';
import { type InstanceSpec, readInstanceSpec, replaceBackends } from '@drover/types';
import type { SettledIdentity } from '@drover/vmm';
import type { AgentParts } from '../host-agent.js';
import { refused } from './finding.js';

/** Below this much free space in the state directory an arrival is warned of: its journal and its console log need some, bytes. */
const LITTLE_SPACE = 256 * 1024 * 1024;

export interface ArrivalQuestion {
  readonly instanceId: string;
  /** In its envelope. */
  readonly spec: unknown;
  readonly backends: Readonly<Record<string, unknown>>;
  readonly machineType: string | null;
  readonly vmmVersion: string | null;
  readonly accelerator: SettledIdentity['accelerator'] | null;
  /** What the guest was promised of its processors, by its source; null where that does not say it. */
  readonly cpu: CpuDefinition | null;
}

export async function checkArrival(agent: AgentParts, question: ArrivalQuestion): Promise<Preflight> {
  const { registry, driver } = agent;
  let spec: InstanceSpec;
  try {
    spec = replaceBackends(readInstanceSpec(question.spec), question.backends);
  } catch (thrown) {
    return { findings: [refused(thrown)], cpu: null };
  }
  const findings: PreflightFinding[] = [];
  const attempt = async (check: () => unknown) => {
    try {
      await check();
    } catch (thrown) {
      findings.push(refused(thrown));
    }
  };
  await attempt(() => agent.refuseWhenStopping());
  await attempt(() => agent.journal.refuseWhenFailed());
  await attempt(() => registry.refuseTaken(question.instanceId, spec.name));
  // The driver is looked for there as well, and says it better.
  if (agent.drivers.some(({ name }) => name === spec.vmm)) {
    await attempt(() => agent.lifecycle.refuseBlocked(spec));
    await attempt(() => driver.checkCpu(spec, question.cpu));
  }
  const { machineType, accelerator, vmmVersion: version } = question;
  const settled = machineType && accelerator ? { machineType, accelerator, version } : null;
  findings.push(...(await driver.obstacles(spec, settled)).map(refused));
  findings.push(...(await space(agent.store.directory)));
  return { findings, cpu: null };
}

async function space(directory: string): Promise<PreflightFinding[]> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (free >= LITTLE_SPACE) return [];
  return [
    {
      severity: 'warning',
      code: 'state-directory-small',
      sentence: `The state directory of this host has ${Math.floor(free / 1024 / 1024)} MiB free; the journal and the guest's console log grow there.`,
      remedy: 'Free space on that file system.',
    },
  ];
}
