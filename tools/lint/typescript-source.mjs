/**
 * What in a TypeScript file outside `packages/protocol` defines a wire structure.
 *
 * | rule | finds |
 * | --- | --- |
 * | binary-field | numbers read from or written to bytes: `DataView`, `readUInt16LE`, `setUint32` |
 * | json-on-socket | JSON made or read in a file that holds a socket, or written to a stream that is not the command's own output |
 * | message-schema | a zod schema in a file that holds a socket, a server or a client |
 * | monitor-command | a QMP command that the table of commands does not have |
 * | reach-in | an import of the protocol's inner files, past its index |
 *
 * It looks at one file at a time: a schema that one file declares and another one uses on a socket is not seen. HTTP bodies are JSON by
 * the contract's own rules, so JSON itself is let pass where only HTTP is spoken.
 */
import ts from 'typescript';

/** @import { Finding } from './finding.mjs' */

const socketModules = new Set(['node:net', 'node:tls', 'node:dgram']);
const httpModules = new Set(['node:http', 'node:https', 'node:http2', 'ws', 'fastify', 'undici']);
const httpGlobals = new Set(['fetch', 'WebSocket', 'EventSource']);
const accessor =
  /^(?:[gs]et(?:Big)?(?:Ui|I)nt|[gs]etFloat|(?:read|write)(?:Big)?U?Int|(?:read|write)(?:Float|Double))\d*(?:LE|BE)?$/;
const schemaMakers = new Set([
  'object',
  'strictObject',
  'looseObject',
  'interface',
  'discriminatedUnion',
  'union',
  'record',
  'tuple',
]);

/**
 * @param {string} path from the root of the repository
 * @param {string} text
 * @param {ReadonlySet<string>} commands names of the QMP commands that the protocol knows
 * @returns {Finding[]}
 */
export function typescriptFindings(path, text, commands) {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  /** @type {Finding[]} */
  const findings = [];
  /** @param {ts.Node} node @param {string} rule @param {string} why @param {string} where */
  const find = (node, rule, why, where) => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart());
    findings.push({ path, line: line + 1, rule, why, where });
  };

  const imported = source.statements.filter(ts.isImportDeclaration).map((declaration) => {
    const name = /** @type {ts.StringLiteral} */ (declaration.moduleSpecifier).text;
    if (/protocol\/(?:src|dist)\//.test(name)) {
      find(
        declaration,
        'reach-in',
        `imports ${name}, past the index of the protocol`,
        'import from @drover/protocol',
      );
    }
    return name;
  });
  const holdsSocket = imported.some((name) => socketModules.has(name));
  const speaksHttp = imported.some((name) => httpModules.has(name)) || usesGlobal(source, httpGlobals);

  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isNewExpression(node) && isName(node.expression, 'DataView')) {
      find(node, 'binary-field', 'reads or writes numbers in bytes', PUT_LAYOUT);
    }
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const { name, expression: receiver } = node.expression;
      if (accessor.test(name.text)) {
        find(node, 'binary-field', `reads or writes a number in bytes with ${name.text}`, PUT_LAYOUT);
      }
      if (holdsSocket && isName(receiver, 'JSON')) {
        find(node, 'json-on-socket', `has JSON.${name.text} beside a socket`, PUT_MESSAGES);
      }
      if (!holdsSocket && name.text === 'write' && !/(?:stdout|stderr|#output)$/.test(receiver.getText())) {
        if (node.arguments.some(makesJson)) {
          find(node, 'json-on-socket', `writes JSON to ${receiver.getText()}`, PUT_MESSAGES);
        }
      }
      if ((holdsSocket || speaksHttp) && isName(receiver, 'z') && schemaMakers.has(name.text)) {
        find(node, 'message-schema', `declares a schema (z.${name.text}) beside a connection`, PUT_MESSAGES);
      }
      const [first] = node.arguments;
      if (
        /^execute(?:OutOfBand)?$/.test(name.text) &&
        first &&
        ts.isStringLiteral(first) &&
        !commands.has(first.text)
      ) {
        find(
          node,
          'monitor-command',
          `gives the monitor command ${first.text}, which the protocol does not know`,
          'add it to packages/protocol/src/qmp/commands.ts and its SPEC.md',
        );
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return findings;
}

const PUT_LAYOUT = 'declare the layout in packages/protocol with the codec, and use its encoder or decoder';
const PUT_MESSAGES =
  'declare the messages in a folder of packages/protocol, with its SPEC.md, and use its encoder and decoder';

/** @param {ts.Node} node @param {string} name */
function isName(node, name) {
  return ts.isIdentifier(node) && node.text === name;
}

/** @param {ts.Node} node @returns {boolean} whether JSON.stringify is called in it */
function makesJson(node) {
  if (ts.isCallExpression(node) && node.expression.getText() === 'JSON.stringify') return true;
  return ts.forEachChild(node, (child) => makesJson(child) || undefined) ?? false;
}

/** @param {ts.Node} node @param {ReadonlySet<string>} names @returns {boolean} whether one of them is called or made */
function usesGlobal(node, names) {
  if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
    const callee = node.expression.getText().replace(/^globalThis\./, '');
    if (names.has(callee)) return true;
  }
  return ts.forEachChild(node, (child) => usesGlobal(child, names) || undefined) ?? false;
}
