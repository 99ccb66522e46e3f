import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileSha256, packArchive } from '../release/archive.mjs';
import { whyNotOnDebian12 } from '../release/binaries.mjs';
import { productionPackages } from '../release/dependencies.mjs';
import { writeManifest } from '../release/manifest.mjs';
import { copyLibrary, copyPackage } from '../release/packages.mjs';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'release-test-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Writes files below a folder of the test's directory and returns the folder. */
function folderOf(name: string, files: Readonly<Record<string, string>>): string {
  const folder = join(directory, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** Paths of all files below a folder, sorted. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
}

describe('the packages of a release', () => {
  const lock = {
    'packages/command': { dependencies: { '@own/core': '1', parser: '1' }, devDependencies: { tester: '1' } },
    'packages/core': { dependencies: { server: '1' } },
    'packages/command/node_modules/parser': {},
    'node_modules/@own/command': { link: true, resolved: 'packages/command' },
    'node_modules/@own/core': { link: true, resolved: 'packages/core' },
    'node_modules/parser': {},
    'node_modules/server': {
      dependencies: { parser: '1' },
      optionalDependencies: { faster: '1', slower: '1' },
      peerDependencies: { plugin: '1', '@types/node': '1' },
      peerDependenciesMeta: { '@types/node': { optional: true } },
    },
    'node_modules/server/node_modules/plugin': {},
    'node_modules/faster': { optional: true },
    'node_modules/tester': {},
  };

  it('are what the command needs at run time, each from where Node finds it', () => {
    const places = productionPackages(lock, 'packages/command').map(({ folder, place }) => [folder, place]);
    expect(places).toEqual([
      ['packages/command', 'node_modules/@own/command'],
      ['packages/command/node_modules/parser', 'node_modules/@own/command/node_modules/parser'],
      ['packages/core', 'node_modules/@own/core'],
      ['node_modules/faster', 'node_modules/faster'],
      ['node_modules/parser', 'node_modules/parser'],
      ['node_modules/server', 'node_modules/server'],
      ['node_modules/server/node_modules/plugin', 'node_modules/server/node_modules/plugin'],
    ]);
  });

  it('are known as ours or not, and as optional or not', () => {
    const marks = productionPackages(lock, 'packages/command').map(({ place, own, optional }) => ({
      place,
      own,
      optional,
    }));
    expect(marks.filter(({ own }) => own).map(({ place }) => place)).toEqual([
      'node_modules/@own/command',
      'node_modules/@own/core',
    ]);
    expect(marks.filter(({ optional }) => optional).map(({ place }) => place)).toEqual([
      'node_modules/faster',
    ]);
  });

  it('are refused by name when one is missing', () => {
    const { 'node_modules/server/node_modules/plugin': _, ...incomplete } = lock;
    expect(() => productionPackages(incomplete, 'packages/command')).toThrow(
      'node_modules/server needs plugin',
    );
  });
});

describe('the files of a release', () => {
  it('of a library are its code and licence, without tests, types, maps and where it was published', () => {
    const manifest = {
      name: 'lib',
      main: 'dist/a.js',
      scripts: { test: 'x' },
      publishConfig: { registry: 'y' },
    };
    const from = folderOf('lib', {
      'package.json': JSON.stringify(manifest),
      LICENSE: 'free',
      'README.md': 'read me',
      'dist/a.js': '1',
      'dist/a.d.ts': '',
      'dist/a.js.map': '{}',
      // A folder of code, for it is not at the top.
      'dist/doc/b.cjs': '2',
      'dist/package.json': '{"type":"module"}',
      'test/a.js': '3',
      'node_modules/other/index.js': '4',
      '.hidden/c.js': '5',
    });
    const to = join(directory, 'to');
    copyLibrary(from, to);
    expect(filesIn(to)).toEqual([
      'LICENSE',
      'dist/a.js',
      'dist/doc/b.cjs',
      'dist/package.json',
      'package.json',
    ]);
    expect(JSON.parse(readFileSync(join(to, 'package.json'), 'utf8'))).toEqual({
      name: 'lib',
      main: 'dist/a.js',
    });
    expect(readFileSync(join(to, 'dist/package.json'), 'utf8')).toBe('{"type":"module"}');
  });

  it('of a package of this repository are those it names, but no compiled code whose source is gone', () => {
    const from = folderOf('own', {
      'package.json': JSON.stringify({ name: 'own', files: ['dist', 'data'], bin: { run: './bin/run.mjs' } }),
      'src/kept.ts': '',
      'dist/kept.js': '1',
      'dist/kept.d.ts': '',
      'dist/gone.js': '2',
      'data/table.json': '{}',
      'bin/run.mjs': '3',
      'test/kept.test.ts': '',
    });
    const to = join(directory, 'to');
    copyPackage(from, to);
    expect(filesIn(to)).toEqual(['bin/run.mjs', 'data/table.json', 'dist/kept.js', 'package.json']);
  });

  it('must have been built', () => {
    const from = folderOf('own', { 'package.json': JSON.stringify({ name: 'own', files: ['dist'] }) });
    expect(() => copyPackage(from, join(directory, 'to'))).toThrow('build the checkout');
  });
});

describe('a binary of a release', () => {
  const needing = (library: string, symbols: string) =>
    ` 0x0001 (NEEDED)  Shared library: [${library}]\n  0x0010:   Name: ${symbols}  Flags: none  Version: 4\n`;

  it.each([
    ['libc.so.6', 'GLIBC_2.36', null],
    ['libc.so.6', 'GLIBC_2.4', null],
    ['libstdc++.so.6', 'GLIBCXX_3.4.30', null],
    ['libc.so.6', 'GLIBC_2.38', 'needs GLIBC_2.38; Debian 12 has GLIBC_2.36'],
    ['libstdc++.so.6', 'GLIBCXX_3.4.31', 'needs GLIBCXX_3.4.31; Debian 12 has GLIBCXX_3.4.30'],
    ['libxxhash.so.0', 'GLIBC_2.4', 'needs the library libxxhash.so.0, which Debian 12 need not have'],
  ])('that needs %s and %s: %s', (library, symbols, why) => {
    expect(whyNotOnDebian12(needing(library, symbols))).toBe(why);
  });
});

describe('the archive of a release', () => {
  function stage(name: string): string {
    const top = folderOf(`${name}/drover-1.2.3`, { 'bin/drover': '#!', 'lib/a.js': '1', LICENSE: 'free' });
    writeManifest(top, { release: '1.2.3', platform: 'linux-x64', needs: { GLIBC: '2.34' } });
    return top;
  }

  it('has every file in its manifest, and one that can be run', () => {
    const top = stage('one');
    const { files, ...about } = JSON.parse(readFileSync(join(top, 'manifest.json'), 'utf8'));
    expect(about).toEqual({ release: '1.2.3', platform: 'linux-x64', needs: { GLIBC: '2.34' } });
    expect(Object.keys(files)).toEqual(filesIn(top).filter((path) => path !== 'manifest.json'));
    for (const [path, hash] of Object.entries(files)) expect(fileSha256(join(top, path))).toBe(hash);
    const modes = filesIn(top).map((path) => [path, (statSync(join(top, path)).mode & 0o777).toString(8)]);
    expect(modes.filter(([, mode]) => mode !== '644')).toEqual([['bin/drover', '755']]);
  });

  it('is the same bytes whenever and wherever the same files are packed', () => {
    const archives = ['one', 'other'].map((name) => {
      const top = stage(name);
      const archive = join(directory, `${name}.tar.xz`);
      if (name === 'other') utimesSync(join(top, 'lib/a.js'), 1, 1);
      packArchive(top, archive);
      return archive;
    });
    const [one = '', other = ''] = archives;
    expect(fileSha256(one)).toBe(fileSha256(other));
    expect(execFileSync('tar', ['--list', `--file=${one}`], { encoding: 'utf8' }).split('\n')).toContain(
      'drover-1.2.3/bin/drover',
    );
  });
});
