/** Simulated agents for tests and benches: real HTTP, agent API 4.0.0, no guests. */

export { FakeFleet } from './fake-fleet.js';
export {
  type FakeFault,
  FakeHost,
  type FakeHostOptions,
  type FakeInstance,
  type FakeVmm,
} from './fake-host.js';
export type { FakeCourse, FakeMigration } from './fake-migration.js';
