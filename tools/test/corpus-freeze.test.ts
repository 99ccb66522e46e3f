import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FROZEN_LIST, freeze } from '../corpus/freeze.mjs';

const root = join(import.meta.dirname, '..', '..');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-corpus-'));
  mkdirSync(join(folder, 'thing', 'v1'), { recursive: true });
  writeFileSync(join(folder, 'thing', 'v1', 'b.json'), '{}\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

const list = () => readFileSync(join(folder, FROZEN_LIST), 'utf8');

describe('freezing a corpus', () => {
  it('adds new files, in order of their paths, and then finds nothing new', () => {
    expect(freeze(folder)).toEqual({ added: ['thing/v1/b.json'], refusals: [] });
    writeFileSync(join(folder, 'thing', 'v1', 'a.json'), '[]\n');
    expect(freeze(folder).added).toEqual(['thing/v1/a.json']);
    // sha256 of "[]\n" and of "{}\n".
    expect(list()).toBe(
      '37517e5f3dc66819f61f5a7bb8ace1921282415f10551d2defa5c3eb0985b570  thing/v1/a.json\n' +
        'ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356  thing/v1/b.json\n',
    );
    expect(freeze(folder)).toEqual({ added: [], refusals: [] });
  });

  it('refuses an edited file and a missing one, and then writes nothing at all', () => {
    freeze(folder);
    const before = list();
    writeFileSync(join(folder, 'thing', 'v1', 'b.json'), '{ }\n');
    writeFileSync(join(folder, 'thing', 'v1', 'new.json'), '1\n');
    expect(freeze(folder).refusals).toEqual([expect.stringMatching(/b\.json is frozen and was edited/)]);
    rmSync(join(folder, 'thing', 'v1', 'b.json'));
    expect(freeze(folder).refusals).toEqual([expect.stringMatching(/b\.json is frozen and gone/)]);
    expect(list()).toBe(before);
  });

  it('only looks with check, and says what is not frozen yet', () => {
    expect(freeze(folder, { check: true }).refusals).toEqual([
      expect.stringMatching(/b\.json is not frozen/),
    ]);
    expect(list).toThrow('ENOENT');
    freeze(folder);
    expect(freeze(folder, { check: true })).toEqual({ added: [], refusals: [] });
  });

  it.each(['packages/types/testdata', 'packages/protocol/vectors'])('holds %s to what it froze', (corpus) => {
    expect(freeze(join(root, corpus), { check: true })).toEqual({ added: [], refusals: [] });
  });

  it('refuses a list with another line than the main branch has, edited together with its file', () => {
    const git = (...args: readonly string[]) => {
      const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.com'];
      execFileSync('git', ['-C', folder, ...who, ...args], { stdio: 'ignore' });
    };
    freeze(folder);
    git('init', '--initial-branch=main');
    git('add', '.');
    git('commit', '--message=frozen');
    expect(freeze(folder).refusals).toEqual([]);
    writeFileSync(join(folder, 'thing', 'v1', 'b.json'), '{ }\n');
    rmSync(join(folder, FROZEN_LIST));
    expect(freeze(folder).refusals).toEqual([expect.stringMatching(/another line for thing\/v1\/b\.json/)]);
    git('checkout', '-b', 'topic');
    git('commit', '--all', '--message=edited');
    expect(freeze(folder).refusals).toHaveLength(1);
  });

  it('refuses a list that is not one', () => {
    writeFileSync(join(folder, FROZEN_LIST), 'abc\n');
    expect(() => freeze(folder)).toThrow('no hash and path');
  });
});
