/** `fail` alone means that no guest can be moved here; `warn` that something works less well than it could. */
export type Status = 'ok' | 'warn' | 'fail';

/** One line of `drover doctor`. */
export interface Finding {
  /** Stable, kebab-case. */
  readonly check: string;
  readonly status: Status;
  /** What was found, as the end of a sentence that begins with the check. */
  readonly found: string;
  /** What to do about it; null where nothing needs doing. */
  readonly remedy: string | null;
}

/** Ready where nothing failed. */
export function isReady(findings: readonly Finding[]): boolean {
  return findings.every(({ status }) => status !== 'fail');
}

export function ok(check: string, found: string): Finding {
  return { check, status: 'ok', found, remedy: null };
}

export function warn(check: string, found: string, remedy: string): Finding {
  return { check, status: 'warn', found, remedy };
}

export function fail(check: string, found: string, remedy: string): Finding {
  return { check, status: 'fail', found, remedy };
}
