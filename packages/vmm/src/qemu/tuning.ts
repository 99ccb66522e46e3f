/** Limits of the qemu driver that an operator, or a test, may change. */
export interface QemuTuning {
  /** From the start of the process to its first answers, ms. */
  readonly launchTimeoutMs: number;
  /** One monitor command, ms. */
  readonly commandTimeoutMs: number;
  /** `stop` drains and flushes the guest's disks, so it gets longer, ms. */
  readonly pauseTimeoutMs: number;
  /** Writing device state, ms. */
  readonly saveTimeoutMs: number;
  /** How long QEMU may take to end by itself before it is killed, ms. */
  readonly quitTimeoutMs: number;
  /** How long a killed process may take to end, ms. */
  readonly killTimeoutMs: number;
  /** The tracker's exchange with the shim, ms. */
  readonly trackerTimeoutMs: number;
  /** For device state, bytes a second. QEMU's own default of 128 MiB/s would be downtime. */
  readonly stateBandwidth: number;
  /** False refuses to move guests with O_DIRECT disks at all. */
  readonly allowDirectIo: boolean;
  /** False re-arms trackers of guests with O_DIRECT disks while they run: not safe, only for tests that show why. */
  readonly quiescedRounds: boolean;
}

export const defaultTuning: QemuTuning = {
  launchTimeoutMs: 30_000,
  commandTimeoutMs: 10_000,
  pauseTimeoutMs: 30_000,
  saveTimeoutMs: 60_000,
  quitTimeoutMs: 3_000,
  killTimeoutMs: 30_000,
  trackerTimeoutMs: 5_000,
  stateBandwidth: 100 * 1024 ** 3,
  allowDirectIo: true,
  quiescedRounds: true,
};
