/** What the two sides say of themselves first, in every version; what follows from it each side decides for itself. */
import { type DeviceStateVersions, INSTANCE_SPEC_VERSIONS, MIGRATION_REPORT_VERSIONS } from '@drover/types';
import { protocolErrors } from '../errors.js';
import type { AnyControlChannel, ExpectOptions } from './control-channel.js';
import { DEVICE_STATE_KINDS } from './device-states.js';
import type { ControlMessage, ReceivedMessage } from './messages.js';
import { IMPLEMENTED_CAPABILITIES, PeerLimits } from './registry.js';

/** Page size of every host that can exchange guests, bytes. */
const PAGE_SIZE = 4096;

/** What one side brings into a conversation. */
export interface PeerSide {
  readonly release: string;
  readonly hostName: string;
  /** Kinds of device state that its VMMs can load, besides {@link DEVICE_STATE_KINDS}. */
  readonly deviceStates?: DeviceStateVersions | undefined;
  /** Numbers of the registry; default: what this release implements. */
  readonly capabilities?: readonly number[] | undefined;
}

/** What the peer said of itself, whatever the version of its hello. */
export interface PeerHello {
  readonly release: string;
  readonly host: string;
  readonly instanceSpec: readonly number[];
  readonly migrationReport: readonly number[];
  /** A hello of version 1 knows no kinds but `qemu-stream`. */
  readonly deviceStates: DeviceStateVersions;
  readonly capabilities: readonly number[];
  readonly pageSize: number;
  readonly maxConnections: number;
}

/** Says hello and waits for the peer's. Errors: those of {@link import('./control-channel.js').ControlChannel}. */
export async function exchangeHellos(
  channel: AnyControlChannel,
  us: PeerSide,
  options: ExpectOptions,
): Promise<PeerHello> {
  // One branch a version, so that each hello is checked against its own type.
  switch (channel.version) {
    case 1:
      await channel.send('hello', helloOfV1(us));
      return readHello(await channel.expect(['hello'], options));
    case 2:
      await channel.send('hello', helloOfV2(us));
      return readHello(await channel.expect(['hello'], options));
  }
}

export function helloOfV1({ release, hostName }: PeerSide): ControlMessage<'hello', 1> {
  return {
    release,
    host: hostName,
    instanceSpec: [...INSTANCE_SPEC_VERSIONS],
    deviceState: [...DEVICE_STATE_KINDS['qemu-stream']],
    pageSize: PAGE_SIZE,
    maxConnections: PeerLimits.channels,
  };
}

export function helloOfV2(us: PeerSide): ControlMessage<'hello', 2> {
  const { release, hostName, deviceStates = {}, capabilities = IMPLEMENTED_CAPABILITIES } = us;
  const kinds = Object.entries({ ...deviceStates, ...DEVICE_STATE_KINDS });
  return {
    release,
    host: hostName,
    instanceSpec: [...INSTANCE_SPEC_VERSIONS],
    migrationReport: [...MIGRATION_REPORT_VERSIONS],
    deviceStates: Object.fromEntries(kinds.map(([kind, versions]) => [kind, [...versions]])),
    capabilities: [...capabilities],
    pageSize: PAGE_SIZE,
    maxConnections: PeerLimits.channels,
  };
}

/** The same for every version, in the terms of the newest. */
export function readHello(received: ReceivedMessage<'hello'>): PeerHello {
  if (received.version === 2) return received.message;
  const { deviceState, ...same } = received.message;
  return { ...same, migrationReport: [1], deviceStates: { 'qemu-stream': deviceState }, capabilities: [] };
}

/** Throws `page-size-unsupported`, naming both sides' page sizes. `who` as in "source a (release 0.2.0)". */
export function checkPageSize({ pageSize }: PeerHello, who: string): void {
  if (pageSize === PAGE_SIZE) return;
  throw protocolErrors.error(
    'page-size-unsupported',
    `The ${who} uses pages of ${pageSize} bytes, this host ${PAGE_SIZE}; guests cannot move between them.`,
  );
}
