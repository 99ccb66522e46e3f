/** Limits of the machine driver that an operator, or a test, may change. */
export interface MachineTuning {
  /** From the start of the process to its VM, ms. */
  readonly launchTimeoutMs: number;
  /** One request, ms. */
  readonly requestTimeoutMs: number;
  /** Stopping guest code, ms. */
  readonly pauseTimeoutMs: number;
  /** Writing device state, ms. */
  readonly saveTimeoutMs: number;
  /** How long a killed process may take to end, ms. */
  readonly killTimeoutMs: number;
  /** How writes are tracked; a machine has one way for life. */
  readonly tracker: 'kvm-dirty-log' | 'kvm-dirty-ring';
}

export const defaultMachineTuning: MachineTuning = {
  launchTimeoutMs: 30_000,
  requestTimeoutMs: 10_000,
  pauseTimeoutMs: 10_000,
  saveTimeoutMs: 60_000,
  killTimeoutMs: 30_000,
  tracker: 'kvm-dirty-log',
};
