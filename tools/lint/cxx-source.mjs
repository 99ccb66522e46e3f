/**
 * What in a C or C++ file defines a layout of bytes. The files that may are named in `exceptions.mjs`.
 *
 * | rule | finds |
 * | --- | --- |
 * | byte-order | numbers put into bytes or taken out: `put_le`, `htole32`, `be16toh`, `ntohs`, byte swaps |
 * | packed | packed structs |
 * | raw-struct | a variable sent or received as it lies in memory |
 */

/** @import { Finding } from './finding.mjs' */

const rules = [
  {
    rule: 'byte-order',
    pattern:
      /\b(?:(?:put|get)_[lb]e|hto[lb]e\d\d|[lb]e\d\dtoh|hton[sl]|ntoh[sl]|__builtin_bswap\d\d|byteswap)\b/,
    why: (/** @type {string} */ match) => `puts a number into bytes or takes one out with ${match}`,
  },
  {
    rule: 'packed',
    pattern: /__attribute__\s*\(\s*\(\s*packed|#\s*pragma\s+pack\b|\[\[gnu::packed\]\]/,
    why: () => 'declares a packed struct',
  },
  {
    rule: 'raw-struct',
    pattern: /\b(?:send|sendto|recv|recvfrom)\s*\([^,;]+,\s*&\w+\s*,\s*sizeof\b/,
    why: () => 'sends or receives a variable as it lies in memory',
  },
];
const WHERE =
  'what goes over a wire is laid out in native/src/core/transfer/frames.h and held to packages/protocol; for anything else say why in tools/lint/exceptions.mjs';

/**
 * @param {string} path from the root of the repository
 * @param {string} text
 * @returns {Finding[]}
 */
export function cxxFindings(path, text) {
  return withoutComments(text)
    .split('\n')
    .flatMap((line, index) =>
      rules.flatMap(({ rule, pattern, why }) => {
        const match = pattern.exec(line);
        return match === null ? [] : [{ path, line: index + 1, rule, why: why(match[0]), where: WHERE }];
      }),
    );
}

/** Comments and the contents of strings blanked out, lines kept. @param {string} text */
export function withoutComments(text) {
  return text.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"/g, (part) =>
    part.startsWith('"') ? '""' : part.replace(/[^\n]/g, ' '),
  );
}
