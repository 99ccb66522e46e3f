export * from './driver.js';
export { allDrivers } from './drivers.js';
export { vmmErrors } from './errors.js';
export { createMachineDriver, MachineDriver, type MachineDriverOptions } from './machine/driver.js';
export { defaultMachineTuning, type MachineTuning } from './machine/tuning.js';
export { createQemuDriver, QemuDriver, type QemuDriverOptions } from './qemu/driver.js';
export { defaultTuning, type QemuTuning } from './qemu/tuning.js';
export { connectQmp, type QmpClient } from './qmp/client.js';
