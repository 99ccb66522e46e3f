/**
 * Has the source move the guest, follows it, and learns from both agents how it ended. Nothing is concluded from silence: as long as
 * neither can say, this step goes on asking (R4).
 *
 * The migration's id is the saga's, so that asking the source to begin again answers with the one that began. It is asked again only where
 * both sides answered that they know nothing of it. A request that a dead replica sent may still be on its way then; it can begin nothing
 * but the same migration, and nothing more once that has begun, whatever became of it. So a cancel that comes in between lets it begin
 * and cancels it.
 *
 * An agent that is too old to be told an id chooses one. Which is ours is told by those that the source knew before it was asked, and nothing is
 * concluded before a request can arrive no longer.
 */
import type { MigrationViewV3 } from '@drover/protocol';
import { DroverError, type ErrorBody, toErrorBody } from '@drover/types';
import { z } from 'zod';
import { controlPlaneErrors } from '../../errors.js';
import { slowest } from '../../placement/bandwidth.js';
import type { SagaAgent } from '../agents.js';
import { hostStates } from '../lookups.js';
import { conclude, type DestinationEntry, needsDestination, type Verdict, type Word } from '../outcome.js';
import { backoffMs, type Step, type StepContext, type StepOutcome } from '../step.js';
import { askDestination, askSource } from '../words.js';
import { prepareResult } from './prepare.js';
import { reserveResult } from './reserve.js';

const moveResult = z.object({
  /** When a request to begin was sent last. Unix time, ms. */
  askedAt: z.number().nullable().default(null),
  /** The agents know of it. */
  begun: z.boolean().default(false),
  /** Its id at the agents, where that is not the saga's. */
  agentId: z.string().nullable().default(null),
  /** Migrations of the instance that the source knew before it was asked to begin one with an id of its own. */
  knownBefore: z.array(z.string()).nullable().default(null),
  /** Looks without an answer, one after the other. */
  silences: z.number().default(0),
  /** Looks since the destination owns it at which the source had not yet learned that. */
  settling: z.number().default(0),
});
type Progress = z.output<typeof moveResult>;

/** Looks at agents a second, at most, over all migrations of this replica. */
const LOOKS_PER_SECOND = 100;
/** Looks for which a source is waited for that has not yet learned what its destination says. */
const SETTLING = 10;
/** Between looks at a migration that nobody can tell the outcome of, at most, ms. */
const DOUBT_MS = 10_000;

export const move: Step = async (context) => {
  const progress = moveResult.parse(context.result ?? {});
  const { source, destination } = await bothSides(context);
  if (progress.askedAt === null) return begin(context, source, progress);
  if (progress.agentId === null && progress.knownBefore !== null) {
    return findOwn(context, source, progress);
  }
  const id = progress.agentId ?? context.migration.id;
  const { signal } = context;
  const sourceWord = await wordOf(source, (agent) => askSource(agent, id, { signal }));
  const destinationWord: Word<DestinationEntry> = needsDestination(sourceWord)
    ? await wordOf(destination, (agent) => askDestination(agent, id, { signal }))
    : { kind: 'not-asked' };
  const verdict = conclude(sourceWord, destinationWord);
  const view = sourceWord.kind === 'answered' ? sourceWord.view : null;
  return heed(context, source, progress, verdict, view, silenceOf(sourceWord) ?? silenceOf(destinationWord));
};

type Side = SagaAgent | 'lost' | 'forgotten';

/** A host that is lost for good is not asked, even if something answers at its address. */
async function bothSides({
  migration,
  agents,
  database,
}: StepContext): Promise<{ source: Side; destination: Side }> {
  const { sourceId, destinationId } = migration;
  const ids = destinationId === null ? [sourceId] : [sourceId, destinationId];
  const states = await database.run((db) => hostStates(db, ids));
  const side = async (id: string): Promise<Side> => {
    if (states.get(id) === 'lost') return 'lost';
    return (states.has(id) ? await agents.agentOf(id) : null) ?? 'forgotten';
  };
  return {
    source: await side(sourceId),
    destination: destinationId === null ? 'forgotten' : await side(destinationId),
  };
}

async function wordOf<Entry>(
  side: Side,
  ask: (agent: SagaAgent) => Promise<Word<Entry>>,
): Promise<Word<Entry>> {
  if (side === 'lost' || side === 'forgotten') return { kind: 'lost' };
  return ask(side);
}

function silenceOf(word: Word<unknown>): ErrorBody | null {
  return word.kind === 'silent' ? word.error : null;
}

/** Asks the source to move it. That it was asked is recorded first. */
async function begin(context: StepContext, source: Side, progress: Progress): Promise<StepOutcome> {
  const { migration, signal, keep } = context;
  if (source === 'lost' || source === 'forgotten') return { kind: 'failed', error: sourceLost(context) };
  const request = requestOf(context);
  let asked: Progress = { ...progress, askedAt: Date.now() };
  await keep(asked);
  try {
    const view = await source.startMigration({ ...request, id: migration.id }, { signal });
    return follow(context, { ...asked, begun: true }, view);
  } catch (thrown) {
    if (!(thrown instanceof DroverError && thrown.code === 'api-version-too-old')) {
      return refusedOrSilent(context, asked, progress, thrown);
    }
  }
  try {
    const before = await source.listMigrations({ signal });
    asked = {
      ...asked,
      askedAt: Date.now(),
      knownBefore: before.filter(({ instanceId }) => instanceId === migration.instanceId).map(({ id }) => id),
    };
    await keep(asked);
    const view = await source.startMigration(request, { signal });
    return follow(context, { ...asked, begun: true, agentId: view.id }, view);
  } catch (thrown) {
    return refusedOrSilent(context, asked, progress, thrown);
  }
}

/** A refusal is the end only where no other request to begin can still be on its way; an answer that was lost says nothing. */
function refusedOrSilent(
  context: StepContext,
  asked: Progress,
  before: Progress,
  thrown: unknown,
): StepOutcome {
  const error = toErrorBody(thrown);
  if (context.signal.aborted) throw thrown;
  const answered = thrown instanceof DroverError && !isSilence(thrown);
  if (answered && quietAfter(context, before) <= 0) return { kind: 'failed', error };
  return {
    kind: 'wait',
    inMs: answered ? quietAfter(context, before) : backoffMs(1),
    result: asked,
    change: { error },
  };
}

/** No answer, or one that does not say whether the request was carried out. */
function isSilence({ code, status }: DroverError): boolean {
  return (
    code === 'agent-unreachable' ||
    code === 'agent-timeout' ||
    code === 'agent-response-invalid' ||
    status >= 500
  );
}

/** How long until a request that was sent can arrive no longer, ms. */
function quietAfter({ options }: StepContext, { askedAt }: Progress): number {
  return askedAt === null ? 0 : askedAt + options.quietMs - Date.now();
}

/** With an agent that chose the id: the one that the source did not know before. */
async function findOwn(context: StepContext, source: Side, progress: Progress): Promise<StepOutcome> {
  const { migration, signal } = context;
  if (source === 'lost' || source === 'forgotten') return { kind: 'failed', error: sourceLost(context) };
  try {
    const own = (await source.listMigrations({ signal })).find(
      ({ id, instanceId, role }) =>
        role === 'source' && instanceId === migration.instanceId && !progress.knownBefore?.includes(id),
    );
    if (own) return follow(context, { ...progress, begun: true, agentId: own.id }, own);
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return silent(context, progress, toErrorBody(thrown));
  }
  return neverBegan(context, source, progress);
}

async function heed(
  context: StepContext,
  source: Side,
  progress: Progress,
  verdict: Verdict,
  view: MigrationViewV3 | null,
  silence: ErrorBody | null,
): Promise<StepOutcome> {
  const { migration } = context;
  switch (verdict.kind) {
    case 'completed':
      // The source is there and about to learn it; with that it has the report.
      if (view !== null && view.endedAt === null && progress.settling < SETTLING) {
        return {
          kind: 'wait',
          inMs: context.options.followMs,
          result: { ...progress, begun: true, settling: progress.settling + 1 },
          change: { phase: view.phase },
        };
      }
      return {
        kind: 'done',
        result: { ...progress, begun: true },
        change: { state: 'running', phase: 'done', report: verdict.report, error: null },
      };
    case 'stays':
      return {
        kind: 'failed',
        error: whyItStays(context, source, verdict),
        change: { phase: view?.phase ?? null },
      };
    case 'never-began':
      return neverBegan(context, source, progress);
    case 'in-doubt':
      return {
        kind: 'wait',
        inMs: Math.min(DOUBT_MS, backoffMs(progress.silences + 1)),
        result: { ...progress, begun: true, silences: progress.silences + 1 },
        change: { state: 'in-doubt', phase: view?.phase ?? migration.phase, error: view?.error ?? silence },
      };
    case 'unknown':
      return silent(context, progress, silence);
    case 'moving':
      if (view === null) return silent(context, progress, silence);
      return follow(context, { ...progress, begun: true }, await heedCancel(context, source, view));
  }
}

/** Under way: what the source shows of it. One that has ended is concluded with the next look, at once. */
function follow(
  { options, load }: StepContext,
  progress: Progress,
  { phase, progress: shown, endedAt }: MigrationViewV3,
): StepOutcome {
  const inMs = Math.max(options.followMs, (load() * 1_000) / LOOKS_PER_SECOND);
  return {
    kind: 'wait',
    inMs: endedAt === null ? inMs : 0,
    result: { ...progress, silences: 0 },
    change: { state: 'running', phase, progress: shown, error: null },
  };
}

/** Only the source knows whether it can still be cancelled; what it answers is looked at like anything else it says. */
async function heedCancel(
  { migration, signal, logger }: StepContext,
  source: Side,
  view: MigrationViewV3,
): Promise<MigrationViewV3> {
  if (!migration.cancelRequested || source === 'lost' || source === 'forgotten') return view;
  try {
    return await source.cancelMigration(view.id, { signal });
  } catch (err) {
    if (signal.aborted) throw err;
    logger.info({ err, migration: migration.id }, 'the source did not take a cancel; asking again');
    return view;
  }
}

function silent({ migration }: StepContext, progress: Progress, error: ErrorBody | null): StepOutcome {
  const silences = progress.silences + 1;
  return {
    kind: 'wait',
    inMs: Math.min(DOUBT_MS, backoffMs(silences)),
    result: { ...progress, silences },
    change: {
      error,
      // Behind the handover nobody but the journals can tell.
      ...(migration.phase === 'handover' ? { state: 'in-doubt' } : {}),
    },
  };
}

/** Both sides answered that they know nothing of it. */
async function neverBegan(context: StepContext, source: Side, progress: Progress): Promise<StepOutcome> {
  const { id, cancelRequested } = context.migration;
  if (source === 'lost' || source === 'forgotten') return { kind: 'failed', error: sourceLost(context) };
  const quiet = quietAfter(context, progress);
  // By the saga's id it is asked for again even where it is to be cancelled: what has begun and ended cannot begin by a late request.
  const byOwnId = progress.knownBefore === null;
  if (!progress.begun && (byOwnId || (quiet <= 0 && !cancelRequested)))
    return begin(context, source, progress);
  if (quiet > 0) return { kind: 'wait', inMs: quiet, result: progress };
  if (cancelRequested) return { kind: 'failed', error: cancelled(id) };
  return {
    kind: 'failed',
    error: controlPlaneErrors
      .error(
        'migration-lost-track',
        `Neither agent knows migration ${id} any more, and no guest arrived: it stayed on the source. Look at it there, then ask again.`,
      )
      .toBody(),
  };
}

function requestOf({ migration }: StepContext) {
  const { peer } = prepareResult.parse(migration.steps.prepare.result);
  const { bandwidth } = reserveResult.parse(migration.steps.reserve.result);
  const { settings, backends, instanceId } = migration;
  return {
    instance: instanceId,
    destination: peer,
    settings: {
      ...settings,
      bandwidthBytesPerSecond: slowest(settings.bandwidthBytesPerSecond, bandwidth),
    },
    backends: { ...backends },
  };
}

function whyItStays(
  context: StepContext,
  source: Side,
  verdict: Extract<Verdict, { kind: 'stays' }>,
): ErrorBody {
  const { id } = context.migration;
  if (verdict.cancelled) return { ...(verdict.error ?? cancelled(id)), code: CANCELLED };
  if (verdict.error !== null) return verdict.error;
  if (source === 'lost' || source === 'forgotten') return sourceLost(context);
  return controlPlaneErrors
    .error(
      'migration-lost-track',
      `Migration ${id} ended at its agents without a reason; the guest stayed on the source.`,
    )
    .toBody();
}

function sourceLost({ migration }: StepContext): ErrorBody {
  return controlPlaneErrors
    .error(
      'host-lost',
      `The source host of migration ${migration.id} is lost, and the guest had not gone to the destination.`,
    )
    .toBody();
}

/** The code that agents end a cancelled migration with. */
export const CANCELLED = 'migration-cancelled';

export function cancelled(id: string): ErrorBody {
  return { code: CANCELLED, message: `Migration ${id} was cancelled before it began.`, retryable: false };
}
