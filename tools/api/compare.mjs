/**
 * Compares what two documents of one API version promise. Every difference is a change of the contract: what cannot be shown to
 * mean the same is taken to mean something else, in either direction, for a field more breaks a strict reader as much as a field less.
 */
import { canonicalText, contractOf } from './contract.mjs';

/** @typedef {Record<string, unknown>} Json */
/** @typedef {{ where: string, what: string }} Change */

/** Maps whose keys are names of the API's own, and what such a name is called. */
const NAMED = new Map([
  ['operations', 'endpoint'],
  ['parameters', 'parameter'],
  ['responses', 'status'],
  ['headers', 'header'],
  ['content', 'media type'],
  ['properties', 'field'],
]);
/** Lists that are sets, and what a member is called. */
const MEMBERS = new Map([
  ['required', 'required field'],
  ['enum', 'value'],
  ['type', 'type'],
  ['anyOf', 'alternative'],
  ['oneOf', 'alternative'],
  ['allOf', 'part'],
]);
/** Steps of a path that say nothing to a reader. */
const SILENT = new Set(['operations', 'schema', 'content', 'application/json', 'properties', 'parameters']);

/**
 * @param {Json} blessed
 * @param {Json} now
 * @returns {Change[]} empty where both are the same API
 */
export function compareDocuments(blessed, now) {
  return [...differences(contractOf(blessed), contractOf(now), [])];
}

/**
 * @param {Json} before
 * @param {Json} after
 * @param {readonly string[]} path
 * @returns {Generator<Change>}
 */
function* differences(before, after, path) {
  const kind = NAMED.get(path.at(-1) ?? '') ?? 'keyword';
  for (const key of Object.keys({ ...before, ...after }).sort()) {
    const here = [...path, key];
    const [old, young] = [before[key], after[key]];
    if (!Object.hasOwn(after, key)) yield change(path, `the ${kind} ${key}${sayValue(kind, old)} is gone`);
    else if (!Object.hasOwn(before, key))
      yield change(path, `the ${kind} ${key}${sayValue(kind, young)} is new`);
    else if (isObject(old) && isObject(young)) yield* differences(old, young, here);
    else if (Array.isArray(old) && Array.isArray(young) && MEMBERS.has(key)) yield* members(old, young, here);
    else if (canonicalText(old) !== canonicalText(young)) {
      yield change(path, `${key} was ${brief(old)} and is ${brief(young)}`);
    }
  }
}

/**
 * @param {readonly unknown[]} before
 * @param {readonly unknown[]} after
 * @param {readonly string[]} path
 * @returns {Generator<Change>}
 */
function* members(before, after, path) {
  const where = path.slice(0, -1);
  const name = MEMBERS.get(path.at(-1) ?? '');
  const texts = { before: before.map(canonicalText), after: after.map(canonicalText) };
  const gone = before.filter((_, index) => !texts.after.includes(texts.before[index] ?? ''));
  const added = after.filter((_, index) => !texts.before.includes(texts.after[index] ?? ''));
  const [old, young] = [gone[0], added[0]];
  // One of several alternatives changed inside: say where.
  if (gone.length === 1 && added.length === 1 && isObject(old) && isObject(young)) {
    yield* differences(old, young, [...where, alternative(old)]);
    return;
  }
  for (const each of gone) yield change(where, `the ${name} ${brief(each)} is gone`);
  for (const each of added) yield change(where, `the ${name} ${brief(each)} is new`);
  if (gone.length + added.length === 0 && before.length !== after.length) {
    yield change(where, `a ${name} stands there another number of times`);
  }
}

/**
 * How people call one of several alternatives: by the constant in it.
 * @param {Json} schema
 */
function alternative(schema) {
  for (const [name, property] of Object.entries(isObject(schema.properties) ? schema.properties : {})) {
    if (isObject(property) && 'const' in property) return `(${name} ${brief(property.const)})`;
  }
  return '(alternative)';
}

/**
 * @param {readonly string[]} path
 * @param {string} what
 * @returns {Change}
 */
function change(path, what) {
  const steps = path.filter((step) => !SILENT.has(step));
  return { where: steps.join(' → ') || 'the document', what };
}

/**
 * @param {string} kind
 * @param {unknown} value
 */
function sayValue(kind, value) {
  return kind === 'keyword' && !isObject(value) ? ` ${brief(value)}` : '';
}

/** @param {unknown} value */
function brief(value) {
  const text = canonicalText(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/**
 * @param {unknown} value
 * @returns {value is Json}
 */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
