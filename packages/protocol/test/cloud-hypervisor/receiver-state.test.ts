import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { connectionRoleStruct } from '../../src/cloud-hypervisor/connection-role.js';
import { memorySlotStruct } from '../../src/cloud-hypervisor/memory-slot.js';
import { rangeStruct } from '../../src/cloud-hypervisor/range-table.js';
import { requestStruct } from '../../src/cloud-hypervisor/request.js';
import { responseStruct } from '../../src/cloud-hypervisor/response.js';
import { CLOUD_HYPERVISOR_WIRE_VERSIONS, cloudHypervisor } from '../../src/index.js';

const { Command, ConnectionRole, receiverSteps, Status, stepReceiver } = cloudHypervisor;
const states = Object.keys(receiverSteps) as cloudHypervisor.ReceiverState[];
const commands = Object.keys(Command) as cloudHypervisor.CommandName[];

const spec = readFileSync(new URL('../../src/cloud-hypervisor/SPEC.md', import.meta.url), 'utf8');

/** The rows of the first table under a heading, cells trimmed. */
function tableUnder(heading: string): readonly (readonly string[])[] {
  const [, rest] = spec.split(`# ${heading}`);
  if (rest === undefined) throw new Error(`SPEC.md has no heading ${heading}`);
  const lines = rest.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|'));
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'));
  return lines.slice(start + 2, start + length).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe("the receiver's states", () => {
  it('lead where the table says, and everything else to aborted with a reason', () => {
    for (const state of states) {
      for (const command of commands) {
        const allowed = receiverSteps[state][command];
        const { next, refusal } = stepReceiver(state, { command, version: 0 }, 0);
        expect(next).toBe(allowed ?? 'aborted');
        expect(refusal?.code ?? null).toBe(allowed === undefined ? 'order' : null);
      }
    }
  });

  it('are all reached, and completed only through Start, Config, State and a Complete', () => {
    const paths = new Map<string, string>([['established', '']]);
    for (const [state, path] of paths) {
      for (const [command, next] of Object.entries(receiverSteps[state as cloudHypervisor.ReceiverState])) {
        if (!paths.has(next)) paths.set(next, `${path} ${command}`);
      }
    }
    expect([...paths.keys()].sort()).toEqual([...states].sort());
    expect(paths.get('completed')).toBe(' start config state complete');
  });

  it('have two ends', () => {
    const ends = states.filter((state) => Object.keys(receiverSteps[state]).length === 0);
    expect(ends.sort()).toEqual(['aborted', 'completed']);
  });

  it('let Start pass for the own wire version and the one before, for no other (R7)', () => {
    for (const newest of [0, 1, 2, 7, 65_535]) {
      for (const version of [0, 1, 2, 3, 6, 7, 8, 255, 65_534, 65_535]) {
        const { next, refusal } = stepReceiver('established', { command: 'start', version }, newest);
        const taken = version === newest || version === newest - 1;
        expect([next, refusal?.code ?? null]).toEqual(taken ? ['started', null] : ['aborted', 'version']);
      }
    }
  });

  it('name the window when they refuse a version', () => {
    expect(stepReceiver('established', { command: 'start', version: 255 }, 1).refusal).toEqual({
      ...{ code: 'version', path: 'request.version', offset: 2 },
      message: 'is wire version 255; this side takes 0 to 1: upgrade the older side',
    });
  });
});

describe('the numbers', () => {
  it('are those of Cloud Hypervisor, for ever', () => {
    expect(Command).toMatchObject({
      ...{ invalid: 0, start: 1, config: 2, state: 3, memory: 4, complete: 5, abandon: 6, memoryFd: 7 },
      ...{ completePaused: 8, pageFault: 9 },
    });
    expect(Status).toEqual({ invalid: 0, ok: 1, error: 2 });
    expect(ConnectionRole).toEqual({ invalid: 0, precopyMemory: 1, fault: 2 });
    for (const numbers of [Command, Status, ConnectionRole]) {
      expect(new Set(Object.values(numbers)).size).toBe(Object.keys(numbers).length);
    }
  });
});

describe('SPEC.md', () => {
  it.each([
    ['Request, 16 bytes', requestStruct],
    ['Response, 16 bytes', responseStruct],
    ['Range, 16 bytes', rangeStruct],
    ['Connection role, 2 bytes', connectionRoleStruct],
    ['Slot, 4 bytes', memorySlotStruct],
  ] as const)('has the layout of the code: %s', (heading, { fields }) => {
    const coded = Object.values(fields).map(({ offset, form, doc }) => [String(offset), form, doc]);
    expect(tableUnder(heading)).toEqual(coded);
  });

  it('lists every command and status with its number', () => {
    expect(tableUnder('Commands').map(([number, name]) => [name, Number(number)])).toEqual(
      Object.entries(Command),
    );
    expect(tableUnder('Statuses').map(([number, name]) => [name, Number(number)])).toEqual(
      Object.entries(Status),
    );
  });

  it("has the code's table of the receiver's states", () => {
    const coded = states.map((state) => [
      state,
      Object.entries(receiverSteps[state])
        .map(([command, next]) => `${command} → ${next}`)
        .join(', '),
    ]);
    expect(tableUnder("The receiver's states")).toEqual(coded);
  });

  it('names the wire versions and the limits of the code', () => {
    const { configBytes, stateBytes, tableBytes } = cloudHypervisor.WIRE_LIMITS;
    expect(tableUnder('Versions').map(([version]) => Number(version))).toEqual([
      ...CLOUD_HYPERVISOR_WIRE_VERSIONS,
    ]);
    for (const bytes of [configBytes, stateBytes, tableBytes, Number(cloudHypervisor.PAGE_FAULT_BYTES)]) {
      expect(spec).toContain(bytes.toLocaleString('en-US'));
    }
  });
});
