/** The protocol's registries as numbers, read from their source, so that lint needs no build. */
import ts from 'typescript';

/**
 * The constants of a registry: numbers, and objects of numbers. What is neither is left out.
 *
 * @param {string} text of a TypeScript file
 * @returns {Map<string, number | Map<string, number>>}
 */
export function readNumbers(text) {
  const source = ts.createSourceFile('registry.ts', text, ts.ScriptTarget.Latest, true);
  /** @type {Map<string, number | Map<string, number>>} */
  const constants = new Map();
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name, initializer } of statement.declarationList.declarations) {
      const value = initializer && constantOf(initializer);
      if (value !== undefined) constants.set(name.getText(), value);
    }
  }
  return constants;
}

/**
 * The names in the table of QMP commands.
 *
 * @param {string} text of `packages/protocol/src/qmp/commands.ts`
 * @returns {ReadonlySet<string>}
 */
export function commandNames(text) {
  const source = ts.createSourceFile('commands.ts', text, ts.ScriptTarget.Latest, true);
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name, initializer } of statement.declarationList.declarations) {
      const table = initializer && unwrap(initializer);
      if (name.getText() === 'qmpCommands' && table && ts.isObjectLiteralExpression(table)) {
        return new Set(table.properties.map((property) => nameOf(property)));
      }
    }
  }
  throw new Error('packages/protocol/src/qmp/commands.ts has no table qmpCommands');
}

/** @param {ts.Expression} expression @returns {number | Map<string, number> | undefined} */
function constantOf(expression) {
  const inner = unwrap(expression);
  if (!ts.isObjectLiteralExpression(inner)) return numberOf(inner);
  /** @type {Map<string, number>} */
  const numbers = new Map();
  for (const property of inner.properties) {
    const number = ts.isPropertyAssignment(property) ? numberOf(unwrap(property.initializer)) : undefined;
    if (number !== undefined) numbers.set(nameOf(property), number);
  }
  return numbers.size > 0 ? numbers : undefined;
}

/** `5`, `0x8001`, `1 << 20`, `4 * 1024`, `16_384`. @param {ts.Expression} expression @returns {number | undefined} */
function numberOf(expression) {
  if (ts.isNumericLiteral(expression)) return Number(expression.text);
  if (!ts.isBinaryExpression(expression)) return undefined;
  const left = numberOf(expression.left);
  const right = numberOf(expression.right);
  if (left === undefined || right === undefined) return undefined;
  if (expression.operatorToken.kind === ts.SyntaxKind.LessThanLessThanToken) return left << right;
  if (expression.operatorToken.kind === ts.SyntaxKind.AsteriskToken) return left * right;
  return undefined;
}

/** Without `as const` and `satisfies`. @param {ts.Expression} expression @returns {ts.Expression} */
function unwrap(expression) {
  return ts.isAsExpression(expression) ||
    ts.isSatisfiesExpression(expression) ||
    ts.isParenthesizedExpression(expression)
    ? unwrap(expression.expression)
    : expression;
}

/** @param {ts.ObjectLiteralElementLike} property */
function nameOf(property) {
  const { name } = property;
  if (name === undefined) return '';
  return ts.isStringLiteral(name) ? name.text : name.getText();
}
