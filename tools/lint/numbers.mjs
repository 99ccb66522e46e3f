/**
 * Holds the numbers that C and C++ must repeat to the registries of `packages/protocol`. A number that one side has and the other has
 * not is a finding as much as one that differs.
 */
import { withoutComments } from './cxx-source.mjs';
import { readNumbers } from './registry.mjs';

/** @import { Finding } from './finding.mjs' */

const FRAMES = 'native/src/core/transfer/frames.h';
const PEER = 'packages/protocol/src/peer/registry.ts';
const SHIM = 'packages/protocol/src/shim/constants.ts';

/** Enumerations, by their names in C++ and in the registry. */
const enumerations = { Role: 'Role', BulkKind: 'BulkKind', FrameType: 'BulkType' };

/** Constants of `frames.h`, by what they are called in the registry. */
const constants = {
  kPreambleMagic: 'PREAMBLE_MAGIC',
  kPreambleFormat: 'PREAMBLE_FORMAT',
  kPreambleBytes: 'PeerLimits.preambleBytes',
  kBulkHelloBytes: 'PeerLimits.bulkHelloBytes',
  kFrameHeaderBytes: 'PeerLimits.bulkHeaderBytes',
  kMaxChannels: 'PeerLimits.channels',
  kMaxDataRunPages: 'PeerLimits.dataRunPages',
  kMaxRunPages: 'PeerLimits.runPages',
  kMaxStateFrameBytes: 'PeerLimits.stateFrameBytes',
};

/** The byte of the shim protocol, in each file that has it. */
const shimFiles = ['native/src/shim/shim.c', 'native/src/core/dirty/shim_client.cc'];

/**
 * @param {(path: string) => string} read a file of the repository
 * @returns {Finding[]}
 */
export function numberFindings(read) {
  return [...peerFindings(read(FRAMES), read(PEER)), ...shimFindings(read, read(SHIM))];
}

/** @param {string} header @param {string} registryText @returns {Finding[]} */
export function peerFindings(header, registryText) {
  const code = withoutComments(header);
  const registry = readNumbers(registryText);
  /** @type {Finding[]} */
  const findings = [];
  /** @param {string} name @param {string} why */
  const find = (name, why) =>
    findings.push({
      path: FRAMES,
      line: lineOf(code, name),
      rule: 'number',
      why,
      where: `correct it as ${PEER} has it`,
    });

  for (const [cxx, ours] of Object.entries(enumerations)) {
    const wanted = registry.get(ours);
    const given = enumerators(code, cxx);
    if (!(wanted instanceof Map)) throw new Error(`${PEER} has no ${ours}`);
    for (const [name, number] of wanted) {
      const value = given.get(snakeCase(name));
      if (value !== number)
        find(cxx, `${cxx}::${snakeCase(name)} is ${value ?? 'missing'} and ${ours}.${name} ${number}`);
    }
    const known = new Set([...wanted.keys()].map(snakeCase));
    for (const name of given.keys()) {
      if (!known.has(name)) find(name, `${cxx}::${name} is not in ${ours}`);
    }
  }
  for (const [cxx, ours] of Object.entries(constants)) {
    const [table = '', field] = ours.split('.');
    const entry = registry.get(table);
    const wanted = entry instanceof Map ? entry.get(field ?? '') : entry;
    if (wanted === undefined) throw new Error(`${PEER} has no ${ours}`);
    const value = constant(code, cxx);
    if (value !== wanted) find(cxx, `${cxx} is ${value ?? 'missing'} and ${ours} ${wanted}`);
  }
  return findings;
}

/** @param {(path: string) => string} read @param {string} constantsText @returns {Finding[]} */
function shimFindings(read, constantsText) {
  const wanted = readNumbers(constantsText).get('SHIM_SUCCESS');
  if (typeof wanted !== 'number') throw new Error(`${SHIM} has no SHIM_SUCCESS`);
  return shimFiles.flatMap((path) => {
    const code = withoutComments(read(path));
    const letter = /\bkSuccess\s*=\s*'(.)'/.exec(code)?.[1];
    if (letter?.charCodeAt(0) === wanted) return [];
    const why = `kSuccess is ${letter ?? 'missing'} and SHIM_SUCCESS ${String.fromCharCode(wanted)}`;
    return [
      { path, line: lineOf(code, 'kSuccess'), rule: 'number', why, where: `correct it as ${SHIM} has it` },
    ];
  });
}

/** `enum class Name : type { a = 1, b = 0x2 }`. @param {string} code @param {string} name @returns {Map<string, number>} */
function enumerators(code, name) {
  const body = new RegExp(`\\benum\\s+class\\s+${name}\\b[^{]*\\{([^}]*)\\}`).exec(code)?.[1] ?? '';
  return new Map([...body.matchAll(/(\w+)\s*=\s*(\w+)/g)].map(([, key = '', value]) => [key, Number(value)]));
}

/** `kName = 0x20;`, `kName = 1u << 20;`. @param {string} code @param {string} name @returns {number | undefined} */
function constant(code, name) {
  const [, value, shift] =
    new RegExp(`\\b${name}\\s*=\\s*(0x[0-9a-fA-F]+|\\d+)u?(?:\\s*<<\\s*(\\d+))?\\s*;`).exec(code) ?? [];
  if (value === undefined) return undefined;
  return shift === undefined ? Number(value) : Number(value) * 2 ** Number(shift);
}

/** @param {string} name */
function snakeCase(name) {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** @param {string} code @param {string} name */
function lineOf(code, name) {
  const at = code.search(new RegExp(`\\b${name}\\b`));
  return at < 0 ? 1 : code.slice(0, at).split('\n').length;
}
