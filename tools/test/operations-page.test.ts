import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const page = read('docs/operations.md');

/** The metrics that a module names: quoted whole, as nothing else there is. */
function namedIn(path: string): string[] {
  const names = [...read(path).matchAll(/'((?:drover|process)_[a-z_]+)'/g)].map(([, name = '']) => name);
  return [...new Set(names)].sort();
}

const agent = namedIn('packages/host-agent/src/operations/metrics.ts');
const controlPlane = namedIn('packages/control-plane/src/operations/metrics.ts');

function documentedUnder(heading: string): string[] {
  const [, section = ''] = page.split(`${heading}\n`);
  const [table = ''] = section.split(/\n#/);
  return [...table.matchAll(/^\| `([a-z_]+)`/gm)].map(([, name = '']) => name).sort();
}

describe('docs/operations.md', () => {
  it('lists every metric of both daemons, and no other', () => {
    expect(agent.length).toBeGreaterThan(10);
    expect(controlPlane.length).toBeGreaterThan(15);
    expect(documentedUnder('### Host agent')).toEqual(agent);
    expect(documentedUnder('### Control plane')).toEqual(controlPlane);
  });

  it('has a dashboard of metrics that exist', () => {
    const dashboard = JSON.parse(read('docs/grafana-dashboard.json'));
    const known = new Set([...agent, ...controlPlane]);
    const exprs: string[] = dashboard.panels.flatMap(({ targets }: { targets: { expr: string }[] }) =>
      targets.map(({ expr }) => expr),
    );
    expect(exprs.length).toBeGreaterThan(10);
    for (const expr of exprs) {
      const names = [...expr.matchAll(/\b(?:drover|process)_[a-z_]+/g)].map(([name]) =>
        name.replace(/_(bucket|sum|count)$/, ''),
      );
      expect(names.length, expr).toBeGreaterThan(0);
      for (const name of names) expect(known.has(name), name).toBe(true);
    }
  });

  it('has units that leave the guests alone when an agent stops (R11)', () => {
    const unit = read('packaging/systemd/drover-agent.service');
    expect(unit).toMatch(/^KillMode=process$/m);
    expect(unit).toMatch(/^RuntimeDirectoryPreserve=yes$/m);
  });
});
