/** All drivers of a host as one: a spec's `vmm`, or what a record was started as, says whose VMM it is. */
import type { CpuDefinition } from '@drover/protocol';
import type { DeviceStateVersions, InstanceSpec } from '@drover/types';
import type { LaunchRequest, Vmm, VmmDriver, VmmDrivers, VmmRecord } from './driver.js';
import { vmmErrors } from './errors.js';
import { collectObstacles } from './obstacles.js';

/** @throws `driver-missing` from every method, where no driver is for the spec or the record */
export function allDrivers(drivers: readonly VmmDriver[]): VmmDrivers {
  const named = (name: string): VmmDriver => {
    const found = drivers.find((driver) => driver.name === name);
    if (found) return found;
    throw vmmErrors.error(
      'driver-missing',
      `This host has no driver "${name}"; it has ${drivers.map((driver) => driver.name).join(', ')}. Use a host that has it, or another vmm.`,
    );
  };
  return {
    deviceStates: () => statesOfAll(drivers),
    specBlockers: (spec: InstanceSpec) => named(spec.vmm).specBlockers(spec),
    check: async (spec: InstanceSpec) => named(spec.vmm).check(spec),
    checkCpu: async (spec: InstanceSpec, cpu: CpuDefinition | null) => named(spec.vmm).checkCpu(spec, cpu),
    async obstacles(spec, settled) {
      const driver = drivers.find(({ name }) => name === spec.vmm);
      return driver ? driver.obstacles(spec, settled) : collectObstacles([() => named(spec.vmm)]);
    },
    launch: async (request: LaunchRequest): Promise<Vmm> => named(request.spec.vmm).launch(request),
    adopt: async (record: VmmRecord, spec: InstanceSpec): Promise<Vmm> =>
      named(record.identity.driver).adopt(record, spec),
  };
}

/** What those of them read that can be used here; throws the first one's reason where none can. */
async function statesOfAll(drivers: readonly VmmDriver[]): Promise<DeviceStateVersions> {
  const answers = await Promise.allSettled(drivers.map((driver) => driver.deviceStates()));
  const told = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const [first] = answers;
  if (told.length === 0 && first?.status === 'rejected') throw first.reason;
  return Object.assign({}, ...told);
}
