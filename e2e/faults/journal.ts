/** An agent's ownership journal, read from outside while the agent may be running. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Line {
  readonly role: 'source' | 'destination';
  readonly migrationId: string;
  readonly state: string;
}

/** States after which a migration asks nothing more of a host. */
const FINISHED = new Set(['done', 'taken-back', 'aborted', 'owned']);

function bytesOf(stateDirectory: string): Buffer {
  return readFileSync(join(stateDirectory, 'journal', 'ownership.log'));
}

/** Where the next line goes, bytes. */
function journalEnd(stateDirectory: string): number {
  return bytesOf(stateDirectory).lastIndexOf(0x0a) + 1;
}

/** What the journal still has open, one sentence each. */
export function openEntries(stateDirectory: string): string[] {
  const last = new Map<string, Line>();
  const text = bytesOf(stateDirectory).subarray(0, journalEnd(stateDirectory)).toString('utf8');
  for (const line of text.split('\n')) {
    const document = line === '' ? null : (JSON.parse(line.slice(9)) as Partial<Line>);
    if (document?.role && document.migrationId)
      last.set(`${document.role} ${document.migrationId}`, document as Line);
  }
  return [...last.values()]
    .filter(({ role, state }) => !FINISHED.has(state) || (role === 'source' && state === 'owned'))
    .map(({ role, migrationId, state }) => `the journal has ${migrationId} open as ${role}: ${state}`);
}
