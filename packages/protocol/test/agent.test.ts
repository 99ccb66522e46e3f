import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AGENT_API_VERSIONS,
  agentApi,
  agentApiV1,
  agentEndpoints,
  agentPath,
  DEFAULT_AGENT_API_VERSION,
  formatHostPort,
  NEWEST_AGENT_API_VERSION,
  parseHostPort,
  routePattern,
} from '../src/agent/index.js';

describe('the agent API', () => {
  it('has no two endpoints that a request could mean at once', () => {
    const shapes = Object.values(agentEndpoints).map(
      ({ method, path }) => `${method} ${path.replace(/\{\w+\}/g, '{}')}`,
    );
    expect(new Set(shapes).size).toBe(shapes.length);
  });

  it('says of each endpoint what it does, and takes no body where none can be sent', () => {
    for (const { method, path, summary, body } of Object.values(agentEndpoints)) {
      expect(path).toMatch(/^(\/([a-z-]+|\{[a-z]+\}))+$/);
      expect(summary).toMatch(/^[A-Z].*\.$/);
      if (method !== 'POST') expect(body).toBeNull();
    }
  });

  it('is listed whole in its SPEC.md', () => {
    const spec = readFileSync(new URL('../src/agent/SPEC.md', import.meta.url), 'utf8');
    const written = [...spec.matchAll(/^\| (\w+) +\| ((?:GET|POST|DELETE) \S+) +\| (.*?) +\|$/gm)];
    expect(written.map(([, name, request, summary]) => [name, request, summary])).toEqual(
      Object.entries(agentEndpoints).map(([name, { method, path, summary }]) => [
        name,
        `${method} ${path}`,
        summary,
      ]),
    );
  });

  it('serves in each version its own endpoints, under names that keep method and path', () => {
    expect(agentApi.versions.map(({ version }) => version)).toEqual([...AGENT_API_VERSIONS]);
    expect(AGENT_API_VERSIONS).toContain(DEFAULT_AGENT_API_VERSION);
    expect(AGENT_API_VERSIONS.at(-1)).toBe(NEWEST_AGENT_API_VERSION);
    for (const [name, { method, path }] of Object.entries(agentApiV1.endpoints)) {
      expect(agentEndpoints).toHaveProperty([name, 'method'], method);
      expect(agentEndpoints).toHaveProperty([name, 'path'], path);
    }
  });

  it('runs in a browser: nothing that it imports needs Node', () => {
    const seen = new Set<string>();
    const outside = new Set<string>();
    const follow = (file: string) => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const [, from = ''] of readFileSync(file, 'utf8').matchAll(/ from '([^']+)'/g)) {
        if (from.startsWith('.')) follow(join(dirname(file), from.replace(/\.js$/, '.ts')));
        else outside.add(from);
      }
    };
    follow(join(import.meta.dirname, '..', 'src', 'agent', 'index.ts'));
    expect([...outside].sort()).toEqual(['@drover/types', 'zod']);
  });

  it('fills parameters into a path, escaped', () => {
    expect(agentPath('listInstances', {})).toBe('/instances');
    expect(agentPath('getInstanceLog', { instance: 'web-1' })).toBe('/instances/web-1/log');
    expect(agentPath('cancelMigration', { migration: 'a/b?c#d e' })).toBe(
      '/migrations/a%2Fb%3Fc%23d%20e/cancel',
    );
  });

  it('never lets a parameter leave its place in the path', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary-ascii' }), (name) => {
        fc.pre(name !== '.' && name !== '..');
        const url = new URL(agentPath('getInstanceLog', { instance: name }), 'http://agent:7700');
        expect(url.pathname.split('/').map(decodeURIComponent)).toEqual(['', 'instances', name, 'log']);
      }),
    );
    for (const instance of ['', '.', '..']) {
      expect(() => agentPath('deleteInstance', { instance })).toThrow(
        /cannot be the instance of deleteInstance/,
      );
    }
  });

  it('writes paths as the server’s router takes them', () => {
    expect(routePattern('/instances/{instance}/log')).toBe('/instances/:instance/log');
  });
});

describe('an address', () => {
  it.each([
    ['north.example:7701', { host: 'north.example', port: 7701 }],
    ['10.0.0.1:1', { host: '10.0.0.1', port: 1 }],
    ['[::1]:65535', { host: '::1', port: 65_535 }],
    ['[fe80::1%eth0]:7701', { host: 'fe80::1%eth0', port: 7701 }],
    ['[::ffff:10.0.0.1]:7701', { host: '::ffff:10.0.0.1', port: 7701 }],
  ])('%s is read, and written the same', (text, address) => {
    expect(parseHostPort(text)).toEqual(address);
    expect(formatHostPort(address)).toBe(text);
  });

  it.each([
    '',
    'north',
    'north:',
    ':7701',
    'north:0',
    'north:65536',
    'north:7701x',
    '::1:7701',
    '[north]:1',
    'a b:1',
    'http://north:1',
  ])('%j is refused with an example', (text) => {
    expect(() => parseHostPort(text)).toThrow(
      /is not an address: write host:port .* for example north\.example:7701/,
    );
  });

  it('may have port 0 only to listen on', () => {
    expect(parseHostPort('127.0.0.1:0', { allowZeroPort: true }).port).toBe(0);
  });
});
