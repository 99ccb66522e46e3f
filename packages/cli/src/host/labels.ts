import { InvalidArgumentError } from 'commander';

/** One argument of `drover host label`: `rack=7` sets, `rack-` removes. */
export interface LabelChange {
  readonly key: string;
  /** Null removes it. */
  readonly value: string | null;
}

/** Adds what `text` says to those before. Throws commander's InvalidArgumentError. */
export function parseLabelChange(text: string, before: readonly LabelChange[] = []): readonly LabelChange[] {
  const [, set, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  const [, remove] = /^([^=]+)-$/.exec(text) ?? [];
  if (set !== undefined && value !== undefined) return [...before, { key: set, value }];
  if (remove !== undefined) return [...before, { key: remove, value: null }];
  throw new InvalidArgumentError(`"${text}" changes no label; write rack=7 to set one, rack- to remove it.`);
}

export function changeLabels(
  labels: Readonly<Record<string, string>>,
  changes: readonly LabelChange[],
): Record<string, string> {
  const changed = new Map(Object.entries(labels));
  for (const { key, value } of changes) {
    if (value === null) changed.delete(key);
    else changed.set(key, value);
  }
  return Object.fromEntries(changed);
}
