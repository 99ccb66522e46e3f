/** A handover that both agents were restarted in the middle of. */
import { randomUUID } from 'node:crypto';
import type { InstanceView } from '@drover/protocol';
import { formatHostPort } from '@drover/protocol';
import type { OwnershipState } from '../../src/journal/states.js';
import { spec, startTestAgent, type TestAgent } from './agent.js';
import type { FakeVmm } from './fake-driver.js';
import { interruptedAt } from './interrupted.js';
import { Road } from './road.js';
import { until } from './until.js';

const RELINQUISHED = [
  ['owned', 1n],
  ['relinquished', 2n],
] as const;

export interface Handover {
  readonly north: TestAgent;
  readonly south: TestAgent;
  readonly instance: InstanceView;
  readonly migrationId: string;
  readonly northVmm: FakeVmm;
  readonly southVmm: FakeVmm;
  /** Opens the way to south, where it was shut. */
  reachable(): Promise<void>;
}

/** Both agents were restarted in the middle of a handover; south's journal had come as far as `states`, north's to `gave`. */
export async function cutHandover(
  states: readonly OwnershipState[],
  gave: readonly (readonly [OwnershipState, bigint])[] = RELINQUISHED,
  {
    unreachable = false,
    whileCut = async () => {},
  }: { unreachable?: boolean; whileCut?: (northVmm: FakeVmm) => Promise<void> } = {},
): Promise<Handover> {
  const [north, south] = [await startTestAgent(), await startTestAgent({ name: 'south' })];
  const instance = await north.client.createInstance({ spec: spec('web-1'), start: true });
  const there = await south.client.createInstance({ id: instance.id, spec: spec('web-1'), start: true });
  const northVmm = north.host.vmms.get(instance.state.vmmId) as FakeVmm;
  const southVmm = south.host.vmms.get(there.state.vmmId) as FakeVmm;
  await northVmm.pause();
  await southVmm.pause();
  const migrationId = randomUUID();
  await south.restart(async () => {
    const reached = states.map((state) => [state, 2n] as const);
    await interruptedAt(south, there, 'destination', reached, { migrationId });
  });
  const road = await Road.make(() => south.agent.peer.port);
  if (!unreachable) await road.open();
  await north.restart(async () => {
    const peer = formatHostPort({ host: '127.0.0.1', port: road.port });
    await interruptedAt(north, instance, 'source', gave, { migrationId, peer });
    await whileCut(northVmm);
  });
  return { north, south, instance, migrationId, northVmm, southVmm, reachable: () => road.open() };
}

export const ended = ({ north, migrationId }: Handover) =>
  until(
    () => north.client.getMigration(migrationId),
    ({ endedAt }) => endedAt !== null,
  );
