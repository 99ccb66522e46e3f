/** The driver's connection to one QEMU's monitor socket. */
import { QMP_LINE_BYTES } from '@drover/protocol';
import { readTail } from '../process/log-tail.js';
import { connectQmp, type QmpClient } from '../qmp/client.js';
import type { VmmPaths } from './paths.js';
import { lastMessage } from './process-log.js';
import type { QemuTuning } from './tuning.js';

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
    maxLineBytes: QMP_LINE_BYTES,
    lastWords: () => lastMessage(readTail(paths.processLog)),
    ...(signal && { signal }),
  });
}
