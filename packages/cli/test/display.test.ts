import { describe, expect, it } from 'vitest';
import type { DisplayClock } from '../src/progress/display.js';
import { JsonDisplay } from '../src/progress/json-display.js';
import { LineDisplay } from '../src/progress/line-display.js';
import { LiveDisplay } from '../src/progress/live-display.js';
import { renderOutcome } from '../src/progress/outcome.js';
import { completed, failed, progressEvent } from './support/documents.js';
import { Screen } from './support/screen.js';

class FakeClock implements DisplayClock {
  time = 0;
  readonly #ticks = new Set<() => void>();
  now(): number {
    return this.time;
  }
  every(_: number, tick: () => void): () => void {
    this.#ticks.add(tick);
    return () => this.#ticks.delete(tick);
  }
  pass(ms: number): void {
    this.time += ms;
    for (const tick of this.#ticks) tick();
  }
  get ticking(): boolean {
    return this.#ticks.size > 0;
  }
}

const title = { instance: 'web-1', destination: 'host-b (http://b:7700)', maxDowntimeMs: 100 };

describe('the live display (R12)', () => {
  it('draws round, bytes, bandwidth, dirty rate and the expected downtime in their place', () => {
    const screen = new Screen(80);
    const clock = new FakeClock();
    const display = new LiveDisplay(screen, title, clock);
    display.event(progressEvent({ round: 0, expectedDowntimeMs: null, dirtyPagesPerSecond: null }));
    display.event(progressEvent());
    clock.pass(1500);
    expect(screen.text).toMatchInlineSnapshot(`
      "Moving web-1 to host-b (http://b:7700)
        phase       rounds, round 2   1.5 s
        memory      [##################......] 75 %
        sent        300 MiB in 75,000 pages
        remaining   97.7 MiB
        bandwidth   2 Gbit/s
        dirty rate  19,876 pages/s
        downtime    about 12.3 ms (budget 100 ms)
      "
    `);
  });

  it('shows that time passes while no event comes', () => {
    const screen = new Screen(80);
    const clock = new FakeClock();
    const display = new LiveDisplay(screen, title, clock);
    clock.pass(61_000);
    expect(screen.text).toMatch(/waiting {3}1 min 1 s/);
    display.close();
  });

  it('never grows, however often it is drawn, and keeps remarks and notes above it', () => {
    const screen = new Screen(80);
    const clock = new FakeClock();
    const display = new LiveDisplay(screen, title, clock);
    display.event(progressEvent());
    const height = screen.text.split('\n').length;
    for (let round = 0; round < 100; round++) {
      display.event(progressEvent({ round }));
      clock.pass(250);
    }
    expect(screen.text.split('\n')).toHaveLength(height);
    display.event({ kind: 'note', at: '2026-01-01T00:00:00.000Z', message: 'the guest is slowed down' });
    display.remark('Asking to cancel');
    const lines = screen.text.split('\n');
    expect(lines).toHaveLength(height + 2);
    expect(lines.slice(0, 3)).toEqual([
      ...['the guest is slowed down', 'Asking to cancel', 'Moving web-1 to host-b (http://b:7700)'],
    ]);
  });

  it('cuts lines that a narrow terminal would wrap', () => {
    const screen = new Screen(20);
    const display = new LiveDisplay(screen, title, new FakeClock());
    display.event(progressEvent());
    expect(Math.max(...screen.text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(20);
  });

  it('takes 80 columns where the terminal does not say how many it has', () => {
    const screen = new Screen(0);
    const display = new LiveDisplay(screen, title, new FakeClock());
    display.event(progressEvent());
    expect(screen.text).toContain('remaining   97.7 MiB');
    display.close();
  });

  it('gives the cursor back, stops its clock, and prints the report below', () => {
    const screen = new Screen(80);
    const clock = new FakeClock();
    const display = new LiveDisplay(screen, title, clock);
    expect(screen.cursorShown).toBe(false);
    display.event(progressEvent({ phase: 'done' }));
    display.close();
    display.close();
    display.end(completed);
    expect(screen.cursorShown).toBe(true);
    expect(clock.ticking).toBe(false);
    expect(screen.text).toContain('100 %');
    expect(screen.text).toContain('web-1 moved to 10.0.0.2:7701.');
  });
});

describe('the line display (R12)', () => {
  it('prints a line a phase, a round and a second, and no more', () => {
    let text = '';
    const clock = new FakeClock();
    const display = new LineDisplay({ write: (part) => (text += part) }, clock);
    for (let tick = 0; tick < 25; tick++) {
      display.event(progressEvent({ round: 1 }));
      clock.pass(100);
    }
    display.event(progressEvent({ round: 2 }));
    display.event(progressEvent({ round: 2, phase: 'switchover' }));
    expect(text.trimEnd().split('\n')).toHaveLength(5);
  });
});

describe('the JSON display (R12)', () => {
  it('prints the end once, as the migration itself', () => {
    const lines: string[] = [];
    const display = new JsonDisplay({ write: (line) => lines.push(line) });
    display.event(progressEvent());
    display.event({ kind: 'ended', at: failed.startedAt, migration: failed });
    display.end(failed, failed);
    expect(lines.map((line) => JSON.parse(line))).toEqual([progressEvent(), failed]);
  });
});

describe('the report', () => {
  it('shows the rounds and the downtime by part', () => {
    expect(renderOutcome(completed)).toMatchInlineSnapshot(`
      "web-1 moved to 10.0.0.2:7701.
        total 2.35 s, downtime 12.5 ms, memory verified
        sent 293 MiB: 75,000 data and 12 zero pages, 201 KiB of device state

        round  time    pages    data  zero  torn     sent  stopped
            0   2 s  100,000  75,000    12     3  293 MiB     0 ms

        downtime       time
        pause          1 ms
        last round     2 ms
        state save     4 ms
        verify         0 ms
        load           3 ms
        handover     1.5 ms
        resume         1 ms
        all         12.5 ms
      "
    `);
  });
});
