/** One thing that stands in a migration's way, or is worth knowing before it: the form that agents and the public API say it in. */
import type { PreflightResult } from '@drover/protocol';
import type { ErrorBody } from '@drover/types';
import { controlPlaneErrors } from '../errors.js';

/** `code` is that of the error which the migration would end with, where it is refused. */
export type Finding = PreflightResult['findings'][number];

export function refuse(code: string, sentence: string, remedy: string): Finding {
  return { severity: 'refused', code, sentence, remedy };
}

export function warn(code: string, sentence: string, remedy: string): Finding {
  return { severity: 'warning', code, sentence, remedy };
}

export function note(code: string, sentence: string, remedy: string): Finding {
  return { severity: 'note', code, sentence, remedy };
}

const ORDER: readonly Finding['severity'][] = ['refused', 'warning', 'note'];

/**
 * Refusals first, then warnings, then notes, each in the order given. What an agent says of a code stands for what was concluded here of the
 * same code: `agents` come from the functions that the migration itself runs.
 */
export function gather(concluded: readonly Finding[], agents: readonly Finding[]): readonly Finding[] {
  const said = new Set(agents.map(({ code }) => code));
  const all = [...concluded.filter(({ code }) => !said.has(code)), ...agents];
  return ORDER.flatMap((severity) => all.filter((finding) => finding.severity === severity));
}

export function movesWith(findings: readonly Finding[]): boolean {
  return findings.every(({ severity }) => severity !== 'refused');
}

/** The error that a migration with these findings ends with; null where none refuses. */
export function refusalOf(findings: readonly Finding[]): ErrorBody | null {
  const refused = findings.filter(({ severity }) => severity === 'refused');
  const [first] = refused;
  if (first === undefined) return null;
  return {
    code: first.code,
    message: refused.map(({ sentence, remedy }) => `${sentence} ${remedy}`).join(' '),
    // One that stays in the way makes a retry useless, whatever becomes of the others.
    retryable: refused.every(({ code }) => mayPass(code)),
  };
}

/** Refusals of agents that pass by themselves, by the labels of their tables. */
const PASSING: ReadonlySet<string> = new Set([
  'agent-stopping',
  'instance-busy',
  'memory-insufficient',
  'device-states-unknown',
]);

function mayPass(code: string): boolean {
  if (PASSING.has(code)) return true;
  const { definitions } = controlPlaneErrors;
  return Object.hasOwn(definitions, code) && definitions[code as keyof typeof definitions].retryable;
}
