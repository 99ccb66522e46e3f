/**
 * Builds and tests everything native. Plain Node, no dependency but node-gyp.
 *
 *   node build.mjs addon                          prebuilds/<platform>-<arch>/{drover.node,libdrover-shim.so}
 *   node build.mjs test [--sanitizer address|thread] [gtest arguments]
 *   node build.mjs build-tests [--sanitizer address|thread]   what test runs, and not run
 *   node build.mjs bench [arguments]              builds and runs every program of benches/
 *   node build.mjs guest                          the bare-metal guest
 *   node build.mjs format-check                   clang-format over every C and C++ file
 *   node build.mjs sources                        the addon's sources, one a line (for binding.gyp)
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const jobs = String(Math.max(1, Math.min(8, availableParallelism())));

/** Runs a program to its end; a failure of it ends this one with the same code. */
function run(program, args, options = {}) {
  const done = spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options });
  if (done.error)
    fail(`${program} could not be started: ${done.error.message}. Run "npm run bootstrap" first.`);
  if (done.status !== 0) {
    console.error(
      `${program} ${args.slice(0, 6).join(' ')} ended with ${done.signal ?? `code ${done.status}`}`,
    );
    process.exit(done.status || 1);
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

/** All files below `folder` (relative to native/) whose name ends with one of `endings`, sorted. */
function filesUnder(folder, endings) {
  const top = join(root, folder);
  if (!existsSync(top)) return [];
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    .filter((path) => !path.split('/').includes('build'))
    .sort();
}

/** Replaces `to` in one step, so that a process that has the old file loaded keeps it whole. */
function install(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  const fresh = `${to}.${process.pid}`;
  copyFileSync(from, fresh);
  renameSync(fresh, to);
}

function cmake(folder, settings, targets) {
  // The configure step says much and means little: its warnings and errors go to stderr.
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };
  run('cmake', ['-S', '.', '-B', folder, ...settings.map((setting) => `-D${setting}`)], quiet);
  run('cmake', ['--build', folder, '-j', jobs, ...targets.flatMap((target) => ['--target', target])]);
}

function addon() {
  const out = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
  run(process.execPath, [nodeGyp, 'configure', '--loglevel=warn', ...headers]);
  run(process.execPath, [nodeGyp, 'build', '--loglevel=warn', '-j', jobs, ...headers]);
  install(join(root, 'build/Release/drover.node'), join(out, 'drover.node'));
  cmake('build-shim', ['DROVER_SHIM_ONLY=ON'], ['drover-shim']);
  install(join(root, 'build-shim/libdrover-shim.so'), join(out, 'libdrover-shim.so'));
}

/** Builds the tests that `args` ask for; their folder, their sanitizer, and what of `args` is not about that. */
function buildTests(args) {
  const at = args.indexOf('--sanitizer');
  const sanitizer = at < 0 ? '' : args[at + 1];
  if (!['', 'address', 'thread'].includes(sanitizer)) fail('--sanitizer takes address or thread');
  const rest = at < 0 ? args : args.filter((_, index) => index !== at && index !== at + 1);
  const folder = { '': 'build-core', address: 'build-core-asan', thread: 'build-core-tsan' }[sanitizer];
  cmake(folder, [`DROVER_SANITIZER=${sanitizer}`], ['core_tests']);
  return { folder, sanitizer, rest };
}

function test(args) {
  const { folder, sanitizer, rest } = buildTests(args);
  mkdirSync(join(root, 'test-results'), { recursive: true });
  const report = join(root, 'test-results', sanitizer ? `core-${sanitizer}.json` : 'core.json');
  const command = [
    join(root, folder, 'core_tests'),
    `--gtest_output=json:${report}`,
    '--gtest_brief=1',
    ...rest,
  ];
  // ThreadSanitizer's fixed shadow layout cannot live with the address randomisation of newer kernels.
  if (sanitizer === 'thread') command.unshift('setarch', '-R');
  run(command[0], command.slice(1), {
    env: {
      ...process.env,
      ASAN_OPTIONS: 'detect_stack_use_after_return=1:strict_string_checks=1',
      UBSAN_OPTIONS: 'print_stacktrace=1',
      TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1',
    },
  });
}

function bench(args) {
  cmake('build-core', ['DROVER_SANITIZER='], ['benches']);
  for (const source of filesUnder('benches', ['_bench.cc'])) {
    run(join(root, 'build-core', source.replace(/^benches\//, '').replace(/\.cc$/, '')), args);
  }
}

function formatCheck() {
  const files = ['src', 'tests', 'benches', 'guest'].flatMap((folder) =>
    filesUnder(folder, ['.cc', '.h', '.c']),
  );
  if (spawnSync('clang-format', ['--version']).status !== 0) {
    fail(
      'clang-format is missing, so the C++ format cannot be checked. Install it: apt-get install clang-format',
    );
  }
  run('clang-format', ['--dry-run', '-Werror', ...files]);
}

/** A VM on /dev/kvm is of x86-64 alone; CMakeLists.txt leaves the same files out elsewhere. */
const kvmSources = /^src\/core\/(kvm\/|dirty\/kvm_)/;

function sources() {
  const core = filesUnder('src/core', ['.cc']).filter(
    (path) => process.arch === 'x64' || !kvmSources.test(path),
  );
  const binding = filesUnder('src/binding', ['.cc']);
  console.log([...core, ...binding].join('\n'));
}

const commands = {
  addon,
  test,
  'build-tests': buildTests,
  bench,
  guest: () => run('make', ['-C', 'guest']),
  'format-check': formatCheck,
  sources,
};
const [name, ...args] = process.argv.slice(2);
const command = commands[name];
if (!command) fail(`usage: node build.mjs ${Object.keys(commands).join(' | ')}`);
command(args);
