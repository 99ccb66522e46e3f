/**
 * Declaring a host lost for good: by an operator, or by a fencing command that succeeded. What it had has ended then, and may be made anew
 * elsewhere; so nothing but these two may say it, and being unreachable is no reason by itself.
 */
import { execFile } from 'node:child_process';
import type { Logger } from 'pino';
import { controlPlaneErrors } from '../errors.js';
import type { ChangeLog } from '../events/change-log.js';
import { followInstances } from '../state/follow-instances.js';
import type { VmmIndex } from '../state/vmm-index.js';
import { fromNow } from '../store/clock.js';
import type { Database } from '../store/database.js';
import type { HostDirectory, KnownHost } from './directory.js';
import { setHostState } from './host-row.js';

/** Most of a fencing command's output that is kept, bytes. */
const OUTPUT_BYTES = 64 * 1024;

export interface FenceOptions {
  readonly command: readonly string[];
  /** How long the host must have been unreachable, ms. */
  readonly afterMs: number;
  readonly timeoutMs: number;
}

export interface HostLossOptions {
  readonly database: Database;
  readonly changeLog: ChangeLog;
  readonly directory: HostDirectory;
  readonly index: VmmIndex;
  readonly fence: FenceOptions | undefined;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export class HostLoss {
  readonly #options: HostLossOptions;

  constructor(options: HostLossOptions) {
    this.#options = options;
  }

  /** Fences a host that has been unreachable for long enough, where there is a command for that. Never throws. */
  async consider(hostId: string): Promise<void> {
    const { fence, directory, database, logger } = this.#options;
    const host = directory.get(hostId);
    if (!fence || host?.state !== 'unreachable') return;
    try {
      const [row] = await database.run((db) =>
        db
          // Keeps other replicas from fencing the same host meanwhile.
          .updateTable('host_watches')
          .set({ due_at: fromNow(fence.timeoutMs + 5_000) })
          .where('host_id', '=', hostId)
          .where('host_id', 'in', (where) =>
            where
              .selectFrom('hosts')
              .select('id')
              .where('id', '=', hostId)
              .where('state', '=', 'unreachable')
              .where('state_since', '<=', fromNow(-fence.afterMs)),
          )
          .returning('host_id')
          .execute(),
      );
      if (!row) return;
      await runFence(fence, host, this.#options.signal);
      await this.declare(hostId, `fenced by ${fence.command[0]}, which succeeded`);
      logger.warn({ hostId, host: host.name }, 'a host was fenced and is lost');
    } catch (err) {
      logger.error(
        { err, hostId, host: host.name },
        'the fencing command failed; the host stays unreachable',
      );
    }
  }

  /** The host is lost, and with it every VMM that it had. False where it was lost already. */
  async declare(hostId: string, reason: string): Promise<boolean> {
    const { changeLog, directory, index } = this.#options;
    const ended = await changeLog.transaction(async (transaction, changes) => {
      const lost = await setHostState(transaction, changes, hostId, {
        state: 'lost',
        reason,
        from: ['active', 'draining', 'maintenance', 'unreachable'],
      });
      if (!lost) return null;
      const vmms = await transaction
        .updateTable('vmms')
        .set({ ended_reason: 'host-lost', ended_at: new Date() })
        .where('host_id', '=', hostId)
        .where('ended_at', 'is', null)
        .returning(['id', 'instance_id'])
        .execute();
      for (const { id } of vmms) changes.changed('vmm', id);
      await transaction.deleteFrom('host_watches').where('host_id', '=', hostId).execute();
      await followInstances(
        transaction,
        changes,
        vmms.map(({ instance_id }) => instance_id),
      );
      return vmms.map(({ id }) => id);
    });
    await directory.reload([hostId]);
    for (const id of ended ?? []) index.forget(id);
    return ended !== null;
  }
}

/** Resolves only when the command exited with 0. */
function runFence({ command, timeoutMs }: FenceOptions, host: KnownHost, signal: AbortSignal): Promise<void> {
  const [program = '', ...args] = command;
  const env = {
    ...process.env,
    DROVER_HOST_ID: host.id,
    DROVER_HOST_NAME: host.name,
    DROVER_HOST_URL: host.url,
  };
  return new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      { env, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: OUTPUT_BYTES, signal },
      (cause, _stdout, stderr) => {
        if (!cause) return resolve();
        const said = stderr.trim().slice(-500);
        reject(
          controlPlaneErrors.error(
            'fencing-failed',
            `The fencing command ${program} for host ${host.name} did not succeed (${cause.message.split('\n', 1)[0]}${said ? `: ${said}` : ''}); nothing is concluded from that.`,
            cause,
          ),
        );
      },
    );
  });
}
