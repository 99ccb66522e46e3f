/** The driver's connection to one QEMU's monitor socket. */
import { connectQmp, type QmpClient } from '../qmp/client.js';
import type { VmmPaths } from './paths.js';
import { lastMessage, readTail } from './process-log.js';
import type { QemuTuning } from './tuning.js';

/** QEMU's longest answers have some 100 KiB. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;

export function connectMonitor(
  paths: VmmPaths,
  pid: number,
  handshakeTimeoutMs: number,
  tuning: QemuTuning,
  signal?: AbortSignal,
): Promise<QmpClient> {
  return connectQmp({
    path: paths.monitor,
    peer: `QEMU (process ${pid})`,
    handshakeTimeoutMs,
    commandTimeoutMs: tuning.commandTimeoutMs,
    maxLineBytes: MAX_LINE_BYTES,
    lastWords: () => lastMessage(readTail(paths.processLog)),
    ...(signal && { signal }),
  });
}
