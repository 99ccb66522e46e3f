/**
 * The bench of the control plane: simulated agents over real HTTP, a real PostgreSQL, each control plane a process of its own.
 *
 *   npm run bench:fleet                 4,000 to 40,000 VMMs, 20 a host
 *   npm run bench:fleet -- --small      a quick look: 200 to 800 VMMs
 *   npm run bench:fleet -- --hosts 50,100   other sizes, smallest first
 *   npm run bench:fleet -- --json       one document instead of the table
 *
 * Targets are those of docs/scale.md. It measures and says so; whether a target is met decides the exit code.
 */
import { parseArgs } from 'node:util';
import { measureDoorbells } from './doorbells.mjs';
import { measureMigrations } from './migrations.mjs';
import { Population, VMMS_PER_HOST } from './population.mjs';
import { startPostgres } from './postgres.mjs';
import { measurePages, measureSweep } from './reading.mjs';
import { Replica } from './replica.mjs';

const { values: flags } = parseArgs({
  options: {
    small: { type: 'boolean', default: false },
    hosts: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const usual = flags.small ? [10, 40] : [200, 500, 1_000, 2_000];
const sizes = flags.hosts?.split(',').map(Number) ?? usual;
const load = { perSecond: 200, seconds: flags.small ? 5 : 20 };
const migrations = flags.small ? 40 : 200;
const PERIOD_MS = flags.small ? 5_000 : 30_000;
const HEARTBEAT_MS = 20_000;

/** @param {string} line */
const say = (line) => void process.stderr.write(`${line}\n`);

const postgres = await startPostgres();
const population = await Population.start();
/** @type {Replica[]} */
const replicas = [];
const ended = new AbortController();
try {
  const options = {
    listen: { host: '127.0.0.1', port: 0 },
    database: postgres.url,
    watchPeriodMs: PERIOD_MS,
    heartbeatMs: 3 * HEARTBEAT_MS,
    migrations: { leaseMs: 3_000 },
  };
  const first = await Replica.start(options);
  replicas.push(first);
  void population.heartbeat(first.url, HEARTBEAT_MS, ended.signal);
  const curve = [];
  for (const hosts of sizes) {
    const knownMs = await population.grow(first, hosts);
    say(`${population.vmms} VMMs known after ${Math.round(knownMs)} ms`);
    const doorbell = await measureDoorbells(first, population, load);
    const pages = await measurePages(first, flags.small ? 5 : 50);
    const swept = await measureSweep(first, PERIOD_MS);
    const rssBytes = (await first.metric('process_resident_memory_bytes')).get('') ?? Number.NaN;
    curve.push({
      hosts,
      vmms: hosts * VMMS_PER_HOST,
      knownMs,
      doorbell,
      pages,
      sweep: { hostsInPeriod: swept, periodMs: PERIOD_MS },
      rssBytes,
    });
  }
  const second = await Replica.start(options);
  replicas.push(second);
  const moved = await measureMigrations([first, second], population, migrations);
  report({ curve, migrations: moved });
} finally {
  ended.abort();
  for (const replica of replicas) await replica.end('SIGKILL');
  await population.fleet.close();
  postgres.stop();
}

/** @param {{ curve: any[], migrations: any }} document */
function report(document) {
  const last = document.curve.at(-1);
  const { wrong, twice, forgotten } = document.migrations;
  const targets = [
    ['ring to readable, p99 ≤ 250 ms', last.doorbell.p99Ms <= 250],
    ['a sweep within its period', last.sweep.hostsInPeriod >= last.hosts],
    ['resident memory ≤ 512 MiB', last.rssBytes <= 512 * 1024 ** 2],
    ['a page, p99 ≤ 50 ms', last.pages.p99Ms <= 50],
    ['every migration as the agents say, none twice, none forgotten', wrong + twice + forgotten === 0],
  ].map(([what, met]) => ({ what, met }));
  if (flags.json) process.stdout.write(`${JSON.stringify({ ...document, targets }, null, 2)}\n`);
  else {
    say('');
    const row = (/** @type {(string | number)[]} */ cells) =>
      say(cells.map((cell) => String(cell).padStart(14)).join(''));
    row([
      'VMMs',
      'known, s',
      'rings/s',
      'ring p50, ms',
      'ring p99, ms',
      'CPU/ring, ms',
      'page p99, ms',
      'hosts/period',
      'RSS, MiB',
    ]);
    for (const { vmms, knownMs, doorbell, pages, sweep, rssBytes } of document.curve) {
      row([
        vmms,
        (knownMs / 1000).toFixed(1),
        doorbell.perSecond.toFixed(0),
        doorbell.p50Ms.toFixed(0),
        doorbell.p99Ms.toFixed(0),
        doorbell.cpuMsPerRing.toFixed(2),
        pages.p99Ms.toFixed(0),
        sweep.hostsInPeriod,
        (rssBytes / 1024 ** 2).toFixed(0),
      ]);
    }
    say(`\nmigrations: ${JSON.stringify(document.migrations)}\n`);
    for (const { what, met } of targets) say(`${met ? 'met    ' : 'MISSED '} ${what}`);
  }
  if (targets.some(({ met }) => !met)) process.exitCode = 1;
}
