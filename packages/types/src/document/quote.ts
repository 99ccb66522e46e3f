/** A string for a sentence: quoted, cut where it gets long, everything escaped that steers a terminal or a reading direction. */
export function quoteBriefly(text: string, length = 60): string {
  const brief = text.length <= length ? text : `${text.slice(0, length - 1)}…`;
  return JSON.stringify(brief).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/** `spec.components.disk0.kind`, `spec.boot.order[2]`, `spec.components["a b"]`. */
export function formatPath(root: string, path: readonly PropertyKey[]): string {
  let text = root;
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (typeof part === 'string' && /^[A-Za-z_][A-Za-z0-9_-]{0,59}$/.test(part)) text += `.${part}`;
    else text += `[${quoteBriefly(String(part))}]`;
  }
  return text;
}
