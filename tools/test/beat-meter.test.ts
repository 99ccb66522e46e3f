import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BeatMeter } from '../beat/beat-meter.mjs';

/** A serial console as QEMU offers it: a listening unix socket with one client. */
class FakeConsole {
  #server: Server | undefined;
  #client: Socket | undefined;
  typed = '';

  async listen(path: string): Promise<void> {
    this.#server = createServer((client) => {
      this.#client = client;
      client.on('error', () => {});
      client.on('data', (data) => {
        this.typed += data.toString();
      });
    }).listen(path);
    await once(this.#server, 'listening');
  }

  async hasClient(): Promise<void> {
    while (this.#client === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  print(text: string): void {
    this.#client?.write(text);
  }

  async close(): Promise<void> {
    this.#client?.destroy();
    this.#client = undefined;
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    await new Promise((resolve) => server.close(resolve));
  }
}

const HELLO = 'DROVER-GUEST 1 pages=16 rate=0 tsc-khz=1000000\nREADY\n';
const beats = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)
    .map((n) => (n % 64 ? `b${n.toString(16).padStart(4, '0')}\n` : `B ${n.toString(16)} 0 0\n`))
    .join('');

let directory: string;
let source: FakeConsole;
let destination: FakeConsole;
let meter: BeatMeter;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'beat-'));
  source = new FakeConsole();
  destination = new FakeConsole();
  meter = new BeatMeter();
});

afterEach(async () => {
  meter.detach();
  await source.close();
  await destination.close();
  await rm(directory, { recursive: true });
});

const within = { timeoutMs: 5000 };

describe('the beat meter', () => {
  it('follows a guest whose destination console appears later and whose source console closes', async () => {
    const a = join(directory, 'a');
    const b = join(directory, 'b');
    meter.attach(a);
    meter.attach(b);
    await source.listen(a);
    await source.hasClient();
    source.print(HELLO + beats(1, 70));
    await meter.waitForBeats(70, within);
    await destination.listen(b);
    await destination.hasClient();
    await source.close();
    destination.print(beats(71, 140));
    await meter.waitForBeats(70, { source: b, ...within });
    const summary = meter.summary();
    expect(summary).toMatchObject({ beats: 140, missing: 0, duplicates: 0, bad: 0, alive: true, boots: 1 });
    expect(summary.switchovers).toMatchObject([
      { before: { source: a, counter: 70 }, after: { source: b, counter: 71 } },
    ]);
    expect(summary.switchovers[0]?.ms).toBeGreaterThan(0);
  });

  it('connects again to a console that was closed', async () => {
    const a = join(directory, 'a');
    meter.attach(a);
    await source.listen(a);
    await source.hasClient();
    source.print(HELLO + beats(1, 10));
    await meter.waitForBeats(10, within);
    await source.close();
    await source.listen(a);
    await source.hasClient();
    source.print(beats(13, 20));
    await meter.waitForBeats(8, within);
    expect(meter.summary()).toMatchObject({ beats: 18, missing: 2 });
  });

  it('asks the living guest to verify its memory and gives the answer', async () => {
    const a = join(directory, 'a');
    meter.attach(a);
    await source.listen(a);
    await source.hasClient();
    source.print(HELLO + beats(1, 5));
    await meter.waitForReady(within);
    const answer = meter.verify(within);
    while (source.typed === '') await new Promise((resolve) => setTimeout(resolve, 1));
    source.print('V bad pages=16 bad=2\n');
    expect(await answer).toEqual({ kind: 'verified', ok: false, pages: 16, bad: 2 });
    expect(source.typed).toBe('v');
  });

  it('asks again where the port dropped the end of the answer', async () => {
    const a = join(directory, 'a');
    meter.attach(a);
    await source.listen(a);
    await source.hasClient();
    source.print(HELLO + beats(1, 5));
    await meter.waitForReady(within);
    const answer = meter.verify(within);
    while (source.typed === '') await new Promise((resolve) => setTimeout(resolve, 1));
    source.print('V ok pages=16 \n');
    while (source.typed === 'v') await new Promise((resolve) => setTimeout(resolve, 1));
    source.print('V ok pages=16 bad=0\n');
    expect(await answer).toEqual({ kind: 'verified', ok: true, pages: 16, bad: 0 });
    expect(source.typed).toBe('vv');
  });

  it('gives up a wait at its deadline, when cancelled, and when the guest refused, each with a sentence', async () => {
    const a = join(directory, 'a');
    meter.attach(a);
    await expect(meter.waitForReady({ timeoutMs: 20 })).rejects.toThrow(
      /Not within 20 ms: the guest is READY/,
    );
    await expect(meter.waitForReady({ timeoutMs: 5000, signal: AbortSignal.timeout(20) })).rejects.toThrow();
    await source.listen(a);
    await source.hasClient();
    source.print('DROVER-GUEST refused: rate has a value that cannot be read\n');
    await expect(meter.waitForReady(within)).rejects.toThrow(/refused to start: rate has a value/);
  });

  it('keeps no console waiting and takes the right times, however busy the program is', async () => {
    const path = join(directory, 'busy');
    // A guest of another process, for this one stands still: a beat each 5 ms.
    const guest = spawn(process.execPath, [
      '-e',
      `require('node:net').createServer((client) => {
        let beat = 0;
        client.write('DROVER-GUEST 1 pages=16 rate=0 tsc-khz=1000000\\nREADY\\n');
        setInterval(() => client.write('b' + (++beat).toString(16).padStart(4, '0') + '\\n'), 5);
      }).listen(${JSON.stringify(path)})`,
    ]);
    try {
      meter.attach(path);
      await meter.waitForReady({ timeoutMs: 10_000 });
      await meter.waitForBeats(10, { timeoutMs: 10_000 });
      meter.reset();
      const until = performance.now() + 3_000;
      while (performance.now() < until);
      await meter.waitForBeats(10, { timeoutMs: 10_000 });
      const { longestGap, missing, duplicates } = meter.summary();
      expect(longestGap?.ms).toBeLessThan(1_500);
      expect({ missing, duplicates }).toEqual({ missing: 0, duplicates: 0 });
    } finally {
      guest.kill();
    }
  });

  it('is a program too, which prints its summary and fails where the guest is not alive', async () => {
    const a = join(directory, 'a');
    const program = fileURLToPath(new URL('../beat/beat-meter.mjs', import.meta.url));
    await source.listen(a);
    const child = spawn(process.execPath, [program, a, '--seconds', '1', '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    await source.hasClient();
    source.print(HELLO + beats(1, 3));
    // Beats until the program ends: what it sums up is a guest that is alive, however long the program took to start.
    let next = 4;
    const beating = setInterval(() => source.print(beats(next, next++)), 20);
    const [code] = await once(child, 'close').finally(() => clearInterval(beating));
    const summary: unknown = JSON.parse(output);
    expect(summary).toMatchObject({ missing: 0, bad: 0, alive: true });
    expect(code).toBe(0);
    const idle = spawn(process.execPath, [program, join(directory, 'none'), '--seconds', '0.1'], {
      stdio: 'ignore',
    });
    expect((await once(idle, 'close'))[0]).toBe(1);
  });
});
