import { sayCapabilities } from '@drover/protocol';
import type { MigrationReport } from '@drover/types';
import type { Prepared } from './prepare.js';
import type { SourceRun } from './run.js';
import type { SwitchedOver } from './switchover.js';

/** When RUNNING was known (`performance.now()`), and the destination's time to resume, ms. */
export interface HandedOver {
  readonly runningAt: number;
  readonly resumeMs: number;
}

export function makeReport(
  run: SourceRun,
  prepared: Prepared,
  switched: SwitchedOver,
  handed: HandedOver,
): MigrationReport {
  const { migration: m, progress, rounds } = run;
  const sum = (key: 'wireBytes' | 'dataPages' | 'zeroPages') =>
    rounds.reduce((total, round) => total + round[key], 0);
  return {
    migrationId: m.migrationId,
    instanceId: m.instance.id,
    driver: m.vmm.record.identity.driver,
    ramMode: 'external',
    accelerator: m.vmm.record.identity.accelerator,
    tracker: prepared.tracker.name,
    protocolVersion: prepared.version,
    specVersion: prepared.agreement.spec.version,
    deviceStates: { ...prepared.agreement.deviceStates },
    capabilities: [...sayCapabilities(prepared.agreement.capabilities)],
    epoch: String(m.epoch + 1n),
    settings: m.settings,
    totalMs: progress.elapsedMs,
    rounds,
    wireBytes: Math.max(progress.counter('wireBytes'), sum('wireBytes')),
    dataPages: sum('dataPages'),
    zeroPages: sum('zeroPages'),
    stateBytes: switched.stateBytes,
    downtime: {
      totalMs: handed.runningAt - switched.startedAt,
      pauseMs: switched.pauseMs,
      lastRoundMs: switched.lastRoundMs,
      stateSaveMs: switched.stateSaveMs,
      verifyMs: switched.verifyMs,
      loadMs: switched.loadMs,
      handoverMs: Math.max(0, handed.runningAt - switched.readyAt - handed.resumeMs),
      resumeMs: handed.resumeMs,
    },
    verified: switched.verified,
  };
}
