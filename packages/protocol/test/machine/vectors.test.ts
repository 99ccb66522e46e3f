import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  decodeMachineState,
  encodeMachineAnswer,
  encodeMachineGreeting,
  encodeMachineRefusal,
  encodeMachineRequest,
  encodeMachineState,
  type MachineRequestName,
  machineEvents,
  machineRequest,
  machineRequests,
  parseMachineLine,
  parseMachineRequest,
} from '../../src/index.js';
import { vectorFolder } from '../vectors.js';

type Vector =
  | {
      readonly kind: 'state-stream';
      readonly name: string;
      readonly hex: string;
      readonly payloads?: readonly { instance: string; kind: string; version: number; data: string }[];
      readonly refusal?: string;
    }
  | {
      readonly kind: 'line';
      readonly name: string;
      readonly from: 'agent' | 'machine';
      readonly text: string;
      // biome-ignore lint/suspicious/noExplicitAny: what a line says, of any kind
      readonly fields: any;
    };

function read(file: string): readonly Vector[] {
  return JSON.parse(readFileSync(join(vectorFolder, file), 'utf8'));
}

function filesOf(version: number): readonly string[] {
  return readdirSync(vectorFolder)
    .filter((name) => name.startsWith(`machine-v${version}`))
    .sort();
}

const vectors = read('machine.json');
const streams = vectors.filter((vector) => vector.kind === 'state-stream');

/** What a version left alone is not repeated in its lines. */
const versions = ([1, 2] as const).map((version) => {
  const before = version === 1 ? {} : machineRequests[1];
  return {
    version,
    lines: (version === 1 ? vectors : filesOf(version).flatMap(read)).filter(
      (vector) => vector.kind === 'line',
    ),
    requests: Object.keys(machineRequests[version]).filter((name) => !Object.hasOwn(before, name)),
  };
});

describe('the golden state streams', () => {
  it.each(streams.filter(({ payloads }) => payloads))('$name is read and written', ({ hex, payloads }) => {
    const expected = (payloads ?? []).map(({ data, ...rest }) => ({
      ...rest,
      data: new Uint8Array(Buffer.from(data, 'hex')),
    }));
    const read = decodeMachineState(Buffer.from(hex, 'hex'));
    const found = read.ok
      ? read.value.map((payload) => ({ ...payload, data: new Uint8Array(payload.data) }))
      : [];
    expect(read.ok).toBe(true);
    expect(found).toEqual(expected);
    expect(Buffer.from(encodeMachineState(expected)).toString('hex')).toBe(hex);
  });

  it.each(streams.filter(({ refusal }) => refusal))(
    '$name is refused as $refusal (R6)',
    ({ hex, refusal }) => {
      expect(decodeMachineState(Buffer.from(hex, 'hex'))).toMatchObject({
        ok: false,
        error: { code: refusal },
      });
    },
  );
});

describe.each(versions)('the golden lines of version $version', ({ version, lines, requests }) => {
  it.each(lines.filter(({ from }) => from === 'agent'))(
    '$name is read and written',
    ({ name, text, fields }) => {
      expect(parseMachineRequest(text)).toEqual(fields);
      expect(encodeMachineRequest(fields)).toBe(`${text}\n`);
      const { arguments: args } = machineRequest(version, name as MachineRequestName) ?? expect.unreachable();
      expect(args.parse(fields.arguments)).toEqual(fields.arguments);
      expect(args.safeParse({ ...fields.arguments, colour: 'red' }).success).toBe(false);
    },
  );

  it.each(lines.filter(({ from }) => from === 'machine'))('$name is read and written', ({ text, fields }) => {
    const { request, ...message } = fields;
    expect(parseMachineLine(text)).toEqual(message);
    switch (message.kind) {
      case 'greeting':
        expect(encodeMachineGreeting(message.greeting)).toBe(`${text}\n`);
        break;
      case 'answer':
        expect(machineRequest(version, request as MachineRequestName)?.answer.parse(message.answer)).toEqual(
          message.answer,
        );
        expect(encodeMachineAnswer(message.id, message.answer)).toBe(`${text}\n`);
        break;
      case 'refused':
        expect(encodeMachineRefusal(message.id, message.code, message.message)).toBe(`${text}\n`);
        break;
      default:
        expect(machineEvents[version].ended.parse(message.data)).toEqual(message.data);
    }
  });

  it('hold every request and every answer', () => {
    const of = (from: string) => lines.filter((line) => line.from === from);
    expect(
      of('agent')
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(requests.toSorted());
    const answered = of('machine').flatMap(({ fields }) => fields.request ?? []);
    expect(answered.toSorted()).toEqual(requests.toSorted());
  });
});
