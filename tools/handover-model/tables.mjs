/**
 * The tables of the code as Promela, made anew for every search: who may take which step of ownership, which step an incoming migration takes,
 * what a source makes of an answer, and what becomes of an instance at a restart. So the model cannot say another thing than the code.
 */
import {
  SESSION_EVENTS,
  SESSION_STATES,
  step as sessionStep,
} from '../../packages/destination-agent/dist/states.js';
import { OWNERSHIP_STATES, OWNERSHIP_STEPS, step } from '../../packages/host-agent/dist/journal/states.js';
import { fateOf } from '../../packages/host-agent/dist/restart/fate.js';
import { reactTo } from '../../packages/source-agent/dist/ask-outcome.js';

const ROLES = /** @type {const} */ (['source', 'destination']);
const OUTCOMES = /** @type {const} */ (['unknown', 'preparing', 'ready', 'owned', 'aborted']);
const REACTIONS = /** @type {const} */ (['finish', 'take-back', 'commit-again', 'ask-again']);
const FATES = /** @type {const} */ (['ours', 'in-doubt', 'moved', 'torn-down', 'waiting']);
/** Largest epoch that the model comes to: each of two migrations may spend one and be taken back. */
const EPOCHS = 8;

export function promelaTables() {
  return [
    ...ROLES.flatMap((role) => numbers(role, ['none', ...OWNERSHIP_STATES[role]])),
    ...numbers('session', ['none', ...SESSION_STATES]),
    ...numbers('event', SESSION_EVENTS),
    ...numbers('outcome', OUTCOMES),
    ...numbers('reaction', REACTIONS),
    ...numbers('fate', FATES),
    ...ROLES.map(ownership),
    sessions(),
    outcomes(),
    reactions(),
    ...ROLES.map(fates),
    '',
  ].join('\n');
}

/** @param {string} kind @param {string} name */
const constant = (kind, name) => `${kind}_${name.replaceAll('-', '_')}`;

/** @param {string} kind @param {readonly string[]} names */
function numbers(kind, names) {
  return names.map((name, number) => `#define ${constant(kind, name)} ${number}`);
}

/** @param {string} head @param {readonly string[]} cases @param {string} otherwise */
function choice(head, cases, otherwise) {
  return `#define ${head} (${cases.map((each) => `${each} : `).join('')}${otherwise}${')'.repeat(cases.length)})`;
}

/**
 * Whether a step may follow, by the code's own `step` for every state, step and pair of epochs; then said as the table says it.
 * @param {'source' | 'destination'} role
 */
function ownership(role) {
  const parties = { role, migrationId: 'm', instanceId: 'i' };
  const cases = [];
  for (const from of [null, ...OWNERSHIP_STATES[role]]) {
    for (const to of OWNERSHIP_STATES[role]) {
      const allowed = [];
      for (let before = 0n; before < EPOCHS; before += 1n) {
        for (let after = 0n; after < EPOCHS; after += 1n) {
          const current = from === null ? null : { ...parties, state: from, epoch: before };
          const outcome = step(current, { ...parties, state: to, epoch: after }, before);
          if (outcome.kind === 'step') allowed.push(`(before == ${before} && after == ${after})`);
        }
      }
      const rule = OWNERSHIP_STEPS.find((each) => each.role === role && each.from === from && each.to === to);
      if (allowed.length > 0 !== (rule !== undefined))
        throw new Error(`${role} ${from} to ${to}: step and table differ`);
      if (rule)
        cases.push(
          `((from == ${constant(role, from ?? 'none')} && to == ${constant(role, to)} && ${epochs(rule.epoch, allowed)})`,
        );
    }
  }
  const body = cases.map((each) => `${each})`).join(' \\\n  || ');
  return `#define ${role}_step_allowed(from, to, before, after) (${body})`;
}

/** @typedef {readonly [test: string, holds: (before: number, after: number) => boolean]} EpochRule */
/** @type {Readonly<Record<string, EpochRule>>} */
const EPOCH_RULES = {
  any: ['true', () => true],
  same: ['after == before', (before, after) => after === before],
  'one-more': ['after == before + 1', (before, after) => after === before + 1],
  'not-below-known': ['after >= before', (before, after) => after >= before],
  'above-known': ['after > before', (before, after) => after > before],
  greater: ['after > before', (before, after) => after > before],
};

/** The rule of the table in Promela, once it is sure that it allows the same pairs. @param {string} rule @param {readonly string[]} allowed */
function epochs(rule, allowed) {
  const known = EPOCH_RULES[rule];
  if (!known) throw new Error(`the model does not know the epoch rule ${rule}`);
  const [test, holds] = known;
  const expected = [];
  for (let before = 0; before < EPOCHS; before += 1) {
    for (let after = 0; after < EPOCHS; after += 1) {
      if (holds(before, after)) expected.push(`(before == ${before} && after == ${after})`);
    }
  }
  if (expected.join() !== allowed.join()) throw new Error(`the rule ${rule} is not what step() does`);
  return test;
}

/** The next state of an incoming migration; `session_none` where there is no such step. */
function sessions() {
  const cases = SESSION_STATES.flatMap((state) =>
    SESSION_EVENTS.flatMap((event) => {
      const next = sessionStep(state, event);
      if (next === null) return [];
      return [
        `(((s) == ${constant('session', state)} && (e) == ${constant('event', event)}) -> ${constant('session', next)}`,
      ];
    }),
  );
  return choice('session_next(s, e)', cases, 'session_none');
}

/** What a destination answers: its journal's last word. */
function outcomes() {
  const cases = OWNERSHIP_STATES.destination.map(
    (state) => `((j) == ${constant('destination', state)} -> ${constant('outcome', state)}`,
  );
  return choice('outcome_of(j)', cases, 'outcome_unknown');
}

/** What a source makes of an answer with the epoch that it handed over; other epochs are never answered for its migration. */
function reactions() {
  const cases = OUTCOMES.map(
    (outcome) =>
      `((o) == ${constant('outcome', outcome)} -> ${constant('reaction', reactTo(outcome, 2n, 2n))}`,
  );
  return choice('reaction_to(o)', cases, 'reaction_ask_again');
}

/** What becomes of an instance at a restart; `newer` where the journal knows of a higher epoch than the fate says. @param {'source' | 'destination'} role */
function fates(role) {
  const cases = [];
  for (const state of [null, ...OWNERSHIP_STATES[role]]) {
    for (const newer of [false, true]) {
      const entry = state && { role, migrationId: 'm', instanceId: 'i', state, epoch: 2n };
      const snapshot = { migration: { id: 'm', role }, epoch: 1n };
      const known = newer ? 9n : 0n;
      const { kind } = fateOf(snapshot, entry, known);
      cases.push(
        `(((j) == ${constant(role, state ?? 'none')} && (newer) == ${newer ? 1 : 0}) -> ${constant('fate', kind)}`,
      );
    }
  }
  return choice(`${role}_fate(j, newer)`, cases, 'fate_in_doubt');
}
