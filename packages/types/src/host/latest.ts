/** The version that the rest of the code sees. The one place to change when there is a newer one. */
export {
  type HostCapacityV3 as HostCapacity,
  type HostCpuV3 as HostCpu,
  type HostV3 as Host,
  hostV3 as hostSchema,
} from './v3.js';
