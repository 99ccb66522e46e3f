/**
 * A destination that is READY waits until it is told, however long that takes (R4). So a source that called the migration off
 * must tell it in the end, over restarts of both: each notice is a file until the destination has confirmed it (R12).
 *
 * So is one that took the instance back because an operator had declared the destination lost: should that host come back, what it holds
 * under the older epoch is torn down. Where it does not hold it but owns it, two hosts may run the instance; that is said as loudly as can be, and
 * again after every start, until it is so no more (R1).
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ControlChannelSettings, type PeerVersion, parseHostPort } from '@drover/protocol';
import { abortDestination, queryOutcome, type SourceDeadlines } from '@drover/source-agent';
import { type ErrorBody, RELEASE } from '@drover/types';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { OwnershipJournal } from '../journal/ownership-journal.js';
import type { OwnershipEntry } from '../journal/states.js';
import { writeFileAtomic } from '../storage/atomic-file.js';

/** Wait between two tries, doubled each time up to the second, ms. */
const BACKOFF_MS = [500, 30_000] as const;
const SUFFIX = '.abort.json';

const noticeSchema = z.strictObject({
  migrationId: z.uuid(),
  /** The destination as host:port. */
  peer: z.string(),
  reason: z.strictObject({ code: z.string(), message: z.string(), retryable: z.boolean() }),
});
type Notice = z.output<typeof noticeSchema>;

export interface AbortNoticesOptions {
  /** The state directory's `migrations`. */
  readonly directory: string;
  readonly hostName: string;
  readonly peerVersions: readonly PeerVersion[] | undefined;
  readonly channel: ControlChannelSettings;
  readonly deadlines: Partial<SourceDeadlines>;
  readonly journal: OwnershipJournal;
  readonly logger: Logger;
  /** The agent is stopping. */
  readonly shutdown: AbortSignal;
  /** The other host's journal says that it owns what this one's says is ours. To be shown where people look. */
  readonly contested: (contest: Contest) => void;
}

/** An instance that two hosts own. */
export interface Contest {
  readonly migrationId: string;
  readonly instanceId: string;
  readonly epoch: { readonly ours: bigint; readonly theirs: bigint };
  /** The other host as host:port. */
  readonly peer: string;
}

export class AbortNotices {
  readonly #options: AbortNoticesOptions;
  readonly #telling = new Set<Promise<void>>();

  constructor(options: AbortNoticesOptions) {
    this.#options = options;
  }

  /** Takes up what earlier agents could not deliver. */
  async load(): Promise<void> {
    const { directory, logger } = this.#options;
    for (const name of await readdir(directory)) {
      if (!name.endsWith(SUFFIX)) continue;
      const path = join(directory, name);
      try {
        this.#tell(noticeSchema.parse(JSON.parse(await readFile(path, 'utf8'))));
      } catch (err) {
        logger.error({ err, path }, 'a notice to a destination cannot be read');
      }
    }
  }

  /**
   * Resolves when the notice is on disk; it is delivered from then on. To be called before anything else forgets the migration, and
   * only for one whose journal says, or is about to say, that it is aborted.
   */
  async add(migrationId: string, peer: string, reason: ErrorBody): Promise<void> {
    const notice: Notice = { migrationId, peer, reason };
    await writeFileAtomic(this.#path(migrationId), `${JSON.stringify(notice)}\n`);
    this.#tell(notice);
  }

  /** Waits for deliveries under way; what is left is on disk. */
  async close(): Promise<void> {
    await Promise.all(this.#telling);
  }

  #path(migrationId: string): string {
    return join(this.#options.directory, `${migrationId}${SUFFIX}`);
  }

  #tell(notice: Notice): void {
    const telling: Promise<void> = this.#deliver(notice)
      .catch((err: unknown) => {
        this.#options.logger.error({ err, migration: notice.migrationId }, 'a notice could not be delivered');
      })
      .finally(() => this.#telling.delete(telling));
    this.#telling.add(telling);
  }

  async #deliver(notice: Notice): Promise<void> {
    const { migrationId } = notice;
    const { journal, shutdown } = this.#options;
    for (let wait: number = BACKOFF_MS[0]; !shutdown.aborted; wait = Math.min(wait * 2, BACKOFF_MS[1])) {
      const entry = journal.find('source', migrationId);
      // After RELINQUISHED nothing but the destination's own journal, or an operator, may end it.
      if (entry?.state === 'aborted' || entry?.state === 'taken-back') {
        if (await this.#tried(notice, entry)) {
          await rm(this.#path(migrationId), { force: true });
          return;
        }
      }
      await sleep(wait, undefined, { signal: shutdown }).catch(() => undefined);
    }
  }

  /** True when nothing of the migration is left at the destination. */
  async #tried(
    { migrationId, peer, reason }: Notice,
    { instanceId, epoch }: OwnershipEntry,
  ): Promise<boolean> {
    const { hostName, peerVersions, channel, deadlines, logger, shutdown } = this.#options;
    const us = { release: RELEASE, hostName, peerVersions, channel, deadlines };
    const request = {
      ...us,
      migrationId,
      instanceId,
      destination: parseHostPort(peer),
      logger,
      signal: shutdown,
    };
    const theirs = await queryOutcome(request).catch(() => null);
    if (theirs === null) return false;
    if (theirs.outcome === 'owned') {
      this.#options.contested({
        migrationId,
        instanceId,
        epoch: { ours: epoch, theirs: theirs.epoch },
        peer,
      });
      return false;
    }
    const { confirmed } = await abortDestination(request, reason, null, 0);
    return confirmed;
  }
}
