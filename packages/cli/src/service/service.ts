import { native } from '@drover/native';
import { toErrorBody } from '@drover/types';
import type { Logger } from 'pino';

/** A daemon as the service manager that started it sees it; does nothing where none did. */
export interface Service {
  /** The daemon ends, and takes its time for it. */
  stopping(): void;
  /** Says nothing more. */
  close(): void;
}

/**
 * Tells the service manager that the daemon serves, and as long as the event loop turns that it lives (sd_notify(3)): where it
 * wants to hear so, twice in each of its periods. A manager that cannot be told is logged once and is no reason to end.
 */
export function startService(
  environment: Readonly<Record<string, string | undefined>>,
  logger: Pick<Logger, 'warn'>,
): Service {
  const address = environment.NOTIFY_SOCKET;
  if (address === undefined || address === '') return { stopping: () => {}, close: () => {} };
  let isHeard = true;
  const tell = (text: string) => {
    try {
      native().notifyServiceManager(address, text);
      isHeard = true;
    } catch (thrown) {
      if (isHeard) logger.warn({ error: toErrorBody(thrown) }, 'the service manager is not told');
      isHeard = false;
    }
  };
  tell('READY=1');
  const periodMs = watchdogMs(environment);
  // It keeps no process alive that has nothing else left to do.
  const timer = periodMs === null ? undefined : setInterval(() => tell('WATCHDOG=1'), periodMs / 2).unref();
  return { stopping: () => tell('STOPPING=1'), close: () => clearInterval(timer) };
}

/** How long the manager waits for a sign of life of this process, ms; null where it does not. */
function watchdogMs({
  WATCHDOG_USEC: period,
  WATCHDOG_PID: pid,
}: Readonly<Record<string, string | undefined>>): number | null {
  const microseconds = Number(period);
  if (!(microseconds >= 1) || (pid !== undefined && Number(pid) !== process.pid)) return null;
  return microseconds / 1000;
}
