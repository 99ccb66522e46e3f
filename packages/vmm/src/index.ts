export * from './driver.js';
export { vmmErrors } from './errors.js';
export { createQemuDriver, QemuDriver, type QemuDriverOptions } from './qemu/driver.js';
export { defaultTuning, type QemuTuning } from './qemu/tuning.js';
export { connectQmp, type QmpClient } from './qmp/client.js';
