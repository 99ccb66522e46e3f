/** The audit trail: who asked for what, and what came of it. Written with the answer; signs of life and reads are left out. */
import type { publicEndpoints } from '@drover/protocol';
import { DroverError } from '@drover/types';
import type { Database } from '../store/database.js';

type EndpointName = keyof typeof publicEndpoints;

/** Endpoints that change something, and what of. */
const AUDITED: Partial<Record<EndpointName, { readonly kind: string; readonly parameter?: string }>> = {
  registerHost: { kind: 'host', parameter: 'host' },
  labelHost: { kind: 'host', parameter: 'host' },
  drainHost: { kind: 'host', parameter: 'host' },
  undrainHost: { kind: 'host', parameter: 'host' },
  markHostLost: { kind: 'host', parameter: 'host' },
  forgetHost: { kind: 'host', parameter: 'host' },
  createInstance: { kind: 'instance' },
  startInstance: { kind: 'instance', parameter: 'instance' },
  stopInstance: { kind: 'instance', parameter: 'instance' },
  deleteInstance: { kind: 'instance', parameter: 'instance' },
  createMigration: { kind: 'migration' },
  cancelMigration: { kind: 'migration', parameter: 'migration' },
  resolveMigration: { kind: 'migration', parameter: 'migration' },
};

/** Most of a request that is kept, characters. */
const DETAIL = 4_096;

export interface Asked {
  readonly endpoint: string;
  readonly actor: string;
  readonly path: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export function isAudited(endpoint: string): boolean {
  return endpoint in AUDITED;
}

/** `answer` is what was answered, or the error that it ended with. */
export async function writeAudit(database: Database, asked: Asked, answer: unknown): Promise<void> {
  await database.run((db) =>
    db
      .insertInto('audit')
      .values({
        at: new Date(),
        actor: clean(asked.actor).slice(0, 256),
        action: asked.endpoint,
        target: targetOf(asked, answer),
        detail: detailOf(asked.body),
        outcome: answer instanceof Error ? (answer instanceof DroverError ? answer.code : 'internal') : 'ok',
      })
      .execute(),
  );
}

/** By id where the answer has one: a name may be another's later. */
function targetOf({ endpoint, path, body }: Asked, answer: unknown): string {
  const { kind, parameter } = AUDITED[endpoint as EndpointName] ?? { kind: endpoint };
  const answered =
    typeof answer === 'object' && answer !== null && !(answer instanceof Error)
      ? endpoint === 'drainHost'
        ? (answer as { hostId?: unknown }).hostId
        : (answer as { id?: unknown }).id
      : undefined;
  const asked = parameter === undefined ? (body as { id?: unknown } | null)?.id : path[parameter];
  const id = typeof answered === 'string' ? answered : typeof asked === 'string' ? asked : '';
  return clean(`${kind}/${id}`).slice(0, 300);
}

function detailOf(body: unknown): string {
  if (typeof body !== 'object' || body === null) return '{}';
  const text = JSON.stringify(body);
  return text.length <= DETAIL ? text : JSON.stringify({ truncated: text.slice(0, DETAIL) });
}

/** What PostgreSQL's text cannot hold. */
function clean(text: string): string {
  return text.replaceAll('\0', '\uFFFD');
}
