import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiVersion, type Endpoint, type HttpApi, httpApis } from '@drover/protocol/http';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { releasedText } from '../api/blessed.mjs';
import { checkApis } from '../api/check.mjs';
import { contractDigest } from '../api/contract.mjs';
import { FOLDER, staleEntries, wantedEntries, writeEntries } from '../api/documents.mjs';
import { root } from '../bootstrap/step.mjs';

/** An endpoint of every kind of part, to be changed one at a time. */
const guest = z.object({
  id: z.uuid(),
  life: z.enum(['running', 'stopped']),
  memory: z.int().min(1).max(64).describe('MiB.'),
  disk: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('file'), path: z.string() }),
    z.strictObject({ kind: z.literal('block'), device: z.string() }),
  ]),
  note: z.string().nullable(),
});
const make = z.strictObject({ name: z.string(), start: z.boolean().default(false) });

const makeGuest: Endpoint = {
  method: 'POST',
  path: '/guests/{host}',
  summary: 'Make a guest.',
  body: make,
  query: null,
  response: guest,
  status: 201,
};
const listGuests: Endpoint = {
  method: 'GET',
  path: '/guests',
  summary: 'Every guest.',
  body: null,
  query: z.object({ limit: z.coerce.number().int().min(1).default(10) }),
  response: z.object({ items: z.array(guest) }),
  status: 200,
};

function version(change: Partial<ApiVersion> = {}): ApiVersion {
  const endpoints = { listGuests, makeGuest };
  const components = { requests: { Make: make }, answers: { Guest: guest } };
  return { version: '1.0.0', endpoints, components, ...change };
}

function apiOf(...versions: ApiVersion[]): HttpApi[] {
  const error = z.object({ code: z.string() });
  const [title, description, versionHeader] = ['Guests', 'Guests and hosts.', 'api-version'];
  return [{ name: 'guests', title, description, versionHeader, error, versions }];
}

/** The API with one endpoint's parts replaced. */
function withGuests(change: Partial<Endpoint>): HttpApi[] {
  return apiOf(version({ endpoints: { listGuests: { ...listGuests, ...change }, makeGuest } }));
}
/** The API with another shape of guest. */
function withGuest(schema: z.ZodType): HttpApi[] {
  const list = { ...listGuests, response: z.object({ items: z.array(schema) }) };
  return apiOf(
    version({
      endpoints: { listGuests: list, makeGuest: { ...makeGuest, response: schema } },
      components: { requests: { Make: make }, answers: { Guest: schema } },
    }),
  );
}
function withMake(schema: z.ZodType): HttpApi[] {
  return apiOf(
    version({
      endpoints: { listGuests, makeGuest: { ...makeGuest, body: schema } },
      components: { requests: { Make: schema }, answers: { Guest: guest } },
    }),
  );
}

function git(repository: string, ...args: string[]): void {
  const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'commit.gpgsign=false'];
  execFileSync('git', ['-C', repository, ...who, ...args], { stdio: 'ignore' });
}

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'drv-api-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, FOLDER), { recursive: true });
  writeFileSync(join(directory, FOLDER, 'RELEASED.sha256'), '');
  return directory;
}

/** A repository whose main branch has the documents of `apis`, with a branch for the work checked out. */
function repository(apis: HttpApi[]): string {
  const directory = folder();
  git(directory, 'init', '-q', '-b', 'main');
  writeEntries(directory, wantedEntries(apis));
  git(directory, 'add', '-A');
  git(directory, 'commit', '-q', '-m', 'Begin');
  git(directory, 'checkout', '-q', '-b', 'work');
  return directory;
}

/** Generates and checks; what was found wrong. */
function check(directory: string, apis: HttpApi[]): string[] {
  writeEntries(directory, wantedEntries(apis));
  return checkApis(directory, apis).findings.map(({ problem }) => problem);
}

const blessed = /^guests\/guests-1\.0\.0\.json is blessed \(on main \([0-9a-f]{12}\)\), and changed: /;

function changes(apis: HttpApi[]): string[] {
  const findings = check(repository(apiOf(version())), apis);
  for (const finding of findings) expect(finding).toMatch(blessed);
  return findings.map((finding) => finding.replace(blessed, '').replace(/\.$/, ''));
}

/** What stands beside the schemas of a document. */
const DOCUMENT_KEYS = ['openapi', 'info', 'paths', 'components'];

describe('the documents of the HTTP APIs', () => {
  it.each([...wantedEntries(httpApis)].filter(([, entry]) => 'text' in entry))(
    '%s is valid OpenAPI 3.1, with JSON schemas that compile',
    async (_path, entry) => {
      if (!('text' in entry)) return;
      const document = JSON.parse(entry.text);
      const validator = new Validator();
      expect(await validator.validate(document)).toMatchObject({ valid: true });
      expect(validator.version).toBe('3.1');
      // Formats are zod's own names beside JSON Schema's; what they mean is in the patterns next to them.
      const schemas = new Ajv2020({ strict: true, strictTypes: false, validateFormats: false });
      schemas.addSchema({ ...document, $id: 'document' }, 'document').addVocabulary(DOCUMENT_KEYS);
      for (const name of Object.keys(document.components.schemas)) {
        const known = schemas.getSchema(`document#/components/schemas/${name}`);
        expect(known?.({ nothing: 'of this' }), name).toBe(false);
      }
    },
  );

  it('are checked in as the contracts make them, and their check finds nothing', () => {
    expect(checkApis(root, httpApis).findings).toEqual([]);
  });

  it('are the same, byte for byte, each time they are made', () => {
    expect([...wantedEntries(httpApis)]).toEqual([...wantedEntries(httpApis)]);
  });

  it('are found stale, missing and left over', () => {
    const directory = folder();
    const apis = apiOf(version());
    const wanted = wantedEntries(apis);
    writeEntries(directory, wanted);
    expect(staleEntries(directory, wanted)).toEqual([]);
    const file = (name: string) => join(directory, FOLDER, 'guests', name);
    writeFileSync(file('guests-1.0.0.json'), '{}');
    writeFileSync(file('guests-7.0.0.json'), '{}');
    rmSync(file('guests-latest.json'));
    symlinkSync('guests-0.json', file('guests-latest.json'));
    expect(staleEntries(directory, wanted)).toEqual([
      `${FOLDER}/guests/guests-1.0.0.json is not what the contract says.`,
      `${FOLDER}/guests/guests-latest.json is not what the contract says.`,
      `${FOLDER}/guests/guests-7.0.0.json belongs to no version of a contract.`,
    ]);
    writeEntries(directory, wanted);
    expect(staleEntries(directory, wanted)).toEqual([]);
  });
});

describe('a blessed document may change', () => {
  const described = guest.extend({ memory: z.int().min(1).max(64).describe('Mebibytes of memory.') });

  it.each([
    ['in nothing', apiOf(version())],
    ['its title and description', apiOf(version()).map((api) => ({ ...api, title: 'G', description: 'D' }))],
    ['a summary', withGuests({ summary: 'All guests.' })],
    ['a description in a schema', withGuest(described)],
    [
      'the name of a component, and what is one',
      apiOf(version({ components: { requests: {}, answers: { Machine: guest } } })),
    ],
    [
      'the order of fields, values and alternatives',
      withGuest(
        z.object({
          note: z.string().nullable(),
          disk: z.discriminatedUnion('kind', [
            z.strictObject({ device: z.string(), kind: z.literal('block') }),
            z.strictObject({ kind: z.literal('file'), path: z.string() }),
          ]),
          life: z.enum(['stopped', 'running']),
          memory: guest.shape.memory,
          id: z.uuid(),
        }),
      ),
    ],
    ['the order of endpoints', apiOf(version({ endpoints: { makeGuest, listGuests } }))],
  ])('%s', (_what, apis) => {
    expect(changes(apis)).toEqual([]);
  });
});

describe('a blessed document must not change', () => {
  const { path, ...withoutPath } = makeGuest;
  const file = z.strictObject({ kind: z.literal('file'), path: z.string() });
  const block = z.strictObject({ kind: z.literal('block'), device: z.string() });

  it.each([
    [
      'a new endpoint',
      apiOf(version({ endpoints: { listGuests, makeGuest, x: { ...listGuests, path: '/x' } } })),
      ['the document: the endpoint GET /x is new'],
    ],
    [
      'an endpoint gone',
      apiOf(version({ endpoints: { listGuests } })),
      ['the document: the endpoint POST /guests/{host} is gone'],
    ],
    [
      'another name of an endpoint',
      apiOf(version({ endpoints: { all: listGuests, makeGuest } })),
      ['GET /guests: operationId was "listGuests" and is "all"'],
    ],
    [
      'another path parameter',
      apiOf(version({ endpoints: { listGuests, makeGuest: { ...withoutPath, path: '/guests/{node}' } } })),
      [
        'the document: the endpoint POST /guests/{host} is gone',
        'the document: the endpoint POST /guests/{node} is new',
      ],
    ],
    [
      'a new query parameter',
      withGuests({
        query: z.object({ limit: z.coerce.number().int().min(1).default(10), after: z.string().optional() }),
      }),
      ['GET /guests: the parameter query after is new'],
    ],
    [
      'a query parameter that is required now',
      withGuests({ query: z.object({ limit: z.coerce.number().int().min(1) }) }),
      [
        'GET /guests → query limit: required was false and is true',
        'GET /guests → query limit: the keyword default 10 is gone',
      ],
    ],
    [
      'another status',
      withGuests({ status: 202 }),
      ['GET /guests → responses: the status 200 is gone', 'GET /guests → responses: the status 202 is new'],
    ],
    [
      'another kind of answer',
      withGuests({ response: 'text' }),
      [
        'GET /guests → responses → 200: the media type application/json is gone',
        'GET /guests → responses → 200: the media type text/plain is new',
      ],
    ],
    [
      'a body where none was',
      apiOf(version({ endpoints: { listGuests, makeGuest: { ...makeGuest, body: null } } })),
      ['POST /guests/{host}: the keyword requestBody is gone'],
    ],
    [
      'another default',
      withMake(make.extend({ start: z.boolean().default(true) })),
      ['POST /guests/{host} → requestBody → start: default was false and is true'],
    ],
    [
      'a request that lets more through',
      withMake(z.object(make.shape)),
      ['POST /guests/{host} → requestBody: the keyword additionalProperties false is gone'],
    ],
    [
      'a new optional field of a request',
      withMake(make.extend({ label: z.string().optional() })),
      ['POST /guests/{host} → requestBody: the field label is new'],
    ],
    [
      'a field of a request that is required now',
      withMake(make.extend({ start: z.boolean() })),
      [
        'POST /guests/{host} → requestBody → start: the keyword default false is gone',
        'POST /guests/{host} → requestBody: the required field "start" is new',
      ],
    ],
  ])('in %s', (_what, apis, expected) => {
    expect(changes(apis)).toEqual(expected);
  });

  it.each([
    [
      'a new field',
      guest.extend({ extra: z.string() }),
      [': the field extra is new', ': the required field "extra" is new'],
    ],
    [
      'a field gone',
      guest.omit({ note: true }),
      [': the field note is gone', ': the required field "note" is gone'],
    ],
    [
      'a new value',
      guest.extend({ life: z.enum(['running', 'stopped', 'lost']) }),
      [' → life: the value "lost" is new'],
    ],
    ['a value gone', guest.extend({ life: z.enum(['running']) }), [' → life: the value "stopped" is gone']],
    ['a type', guest.extend({ note: z.string() }), [' → note: type was ["null","string"] and is "string"']],
    ['a limit', guest.extend({ memory: z.int().min(1).max(65) }), [' → memory: maximum was 64 and is 65']],
    [
      'a pattern',
      guest.extend({ id: z.string() }),
      [' → id: the keyword format "uuid" is gone', ' → id: the keyword pattern'],
    ],
    [
      'a new alternative',
      guest.extend({
        disk: z.discriminatedUnion('kind', [file, block, z.strictObject({ kind: z.literal('none') })]),
      }),
      [' → disk: the alternative'],
    ],
    [
      'an alternative gone',
      guest.extend({ disk: z.discriminatedUnion('kind', [file]) }),
      [' → disk: the alternative'],
    ],
    [
      'an alternative changed inside',
      guest.extend({
        disk: z.discriminatedUnion('kind', [file, block.extend({ device: z.string().max(9) })]),
      }),
      [' → disk → (kind "block") → device: the keyword maxLength 9 is new'],
    ],
    ['an open object', guest.loose(), [': the keyword additionalProperties is new']],
  ])('in an answer: %s', (_what, schema, expected) => {
    // The guest is in both answers: what is found stands there for each.
    const found = changes(withGuest(schema));
    expect(found).toHaveLength(2 * expected.length);
    for (const [index, what] of expected.entries()) {
      expect(found[index]).toContain(`GET /guests → responses → 200 → items → items${what}`);
      expect(found[index + expected.length]).toContain(`POST /guests/{host} → responses → 201${what}`);
    }
  });

  it('in what an error looks like, or in which header the version is', () => {
    const [api] = apiOf(version());
    if (!api) throw new Error('there is no API');
    expect(changes([{ ...api, error: z.object({ code: z.string(), why: z.string() }) }])).toContain(
      'GET /guests → responses → default: the field why is new',
    );
    expect(changes([{ ...api, versionHeader: 'version' }])).toContain(
      'GET /guests: the parameter header api-version is gone',
    );
  });
});

describe('the check', () => {
  const two = version({
    version: '2.0.0',
    endpoints: { listGuests, makeGuest, other: { ...listGuests, path: '/o' } },
  });

  it('lets a new version in beside a blessed one, and says where each stands', () => {
    const directory = repository(apiOf(version()));
    const apis = apiOf(version(), two);
    expect(check(directory, apis)).toEqual([]);
    expect(checkApis(directory, apis).notes).toEqual([
      expect.stringMatching(/^Main is main \([0-9a-f]{12}\)\.$/),
      'guests/guests-1.0.0.json: on main',
      'guests/guests-2.0.0.json: new, not blessed yet',
    ]);
  });

  it('says what to do', () => {
    const directory = repository(apiOf(version()));
    const [stale] = checkApis(directory, apiOf(version(), two)).findings;
    expect(stale?.remedy).toBe('Run npm run api:generate and commit what it writes.');
    check(directory, withGuests({ status: 202 }));
    const [changed] = checkApis(directory, withGuests({ status: 202 })).findings;
    expect(changed?.remedy).toContain('put the change into a new version');
  });

  it('lets a version change that is not on main yet, and holds it once it is', () => {
    const directory = repository(apiOf(version()));
    check(directory, apiOf(version(), two));
    git(directory, 'add', '-A');
    git(directory, 'commit', '-q', '-m', 'Two');
    const other = { ...two, endpoints: { listGuests } };
    expect(check(directory, apiOf(version(), other))).toEqual([]);
    git(directory, 'checkout', '-q', '-f', 'main');
    git(directory, 'merge', '-q', 'work');
    expect(check(directory, apiOf(version(), other))).toHaveLength(2);
  });

  it('holds against what the remote’s main has, where there is one', () => {
    const directory = repository(apiOf(version()));
    git(directory, 'update-ref', 'refs/remotes/origin/main', 'main');
    git(directory, 'checkout', '-q', 'main');
    check(directory, withGuests({ status: 202 }));
    git(directory, 'add', '-A');
    git(directory, 'commit', '-q', '-m', 'Break');
    // On the local main already, and found all the same.
    expect(check(directory, withGuests({ status: 202 }))).toEqual([
      expect.stringContaining('(on origin/main ('),
      expect.stringContaining('(on origin/main ('),
    ]);
  });

  it('finds a version that was taken away, and its document put back by hand', () => {
    const directory = repository(apiOf(version(), two));
    expect(check(directory, apiOf(two))).toEqual([
      'guests/guests-1.0.0.json is blessed, and no contract has that version any more.',
    ]);
  });

  it('holds a released version without any history, but for its texts', () => {
    const directory = folder();
    const list = join(directory, FOLDER, 'RELEASED.sha256');
    const entry = wantedEntries(apiOf(version())).get('guests/guests-1.0.0.json');
    if (!entry || !('text' in entry)) throw new Error('there is no document');
    const document = JSON.parse(entry.text);
    writeFileSync(list, releasedText(new Map(), new Map([['guests/guests-1.0.0.json', document]])));
    expect(readFileSync(list, 'utf8')).toBe(`${contractDigest(document)}  guests/guests-1.0.0.json\n`);
    expect(check(directory, apiOf(version()))).toEqual([]);
    expect(check(directory, withGuests({ summary: 'All guests.' }))).toEqual([]);
    expect(check(directory, withGuests({ status: 202 }))).toEqual([
      'guests/guests-1.0.0.json is released, and promises something else than it did then.',
    ]);
    expect(checkApis(directory, apiOf(version())).notes[0]).toMatch(/^There is no history here/);
  });

  it('finds a line of the released list changed or removed', () => {
    const directory = folder();
    const list = join(directory, FOLDER, 'RELEASED.sha256');
    const apis = apiOf(version());
    const entry = wantedEntries(apis).get('guests/guests-1.0.0.json');
    if (!entry || !('text' in entry)) throw new Error('there is no document');
    const line = `${contractDigest(JSON.parse(entry.text))}  guests/guests-1.0.0.json\n`;
    writeEntries(directory, wantedEntries(apis));
    writeFileSync(list, line);
    git(directory, 'init', '-q', '-b', 'main');
    git(directory, 'add', '-A');
    git(directory, 'commit', '-q', '-m', 'Release');
    expect(check(directory, apis)).toEqual([]);
    writeFileSync(list, '');
    expect(check(directory, apis)).toEqual([
      `The line of guests/guests-1.0.0.json in ${FOLDER}/RELEASED.sha256 was changed or removed.`,
    ]);
  });

  it('follows a schema that contains itself to its end', () => {
    const tree: z.ZodType = z.object({
      name: z.string(),
      get children() {
        return z.array(tree);
      },
    });
    const apis = withGuest(tree);
    const directory = repository(apis);
    expect(check(directory, apis)).toEqual([]);
    const other: z.ZodType = z.object({
      name: z.string().max(9),
      get children() {
        return z.array(other);
      },
    });
    expect(check(directory, withGuest(other))).toHaveLength(2);
  });
});
