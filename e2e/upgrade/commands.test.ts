import { describe, expect, it } from 'vitest';
import { type CommandResult, drover } from '../harness/drover.js';
import { bareSpec } from '../harness/guests.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';
import { builds, buildsMissing, orWhyNot } from './builds.js';

describe.skipIf(buildsMissing !== null)(
  `the command of one release and the agents of another${orWhyNot}`,
  () => {
    const hosts = useTwoHosts();

    it.each([
      ['the old command', 'new agents', builds.old, builds.new],
      ['the new command', 'old agents', builds.new, builds.old],
    ])('%s and %s: a guest is made, shown, moved and removed', async (_command, _agents, build, agents) => {
      await Promise.all([hosts.a.become(agents), hosts.b.become(agents)]);
      const run = async (args: readonly string[], input = ''): Promise<CommandResult> => {
        const result = await drover([...args], input, { build });
        expect(result, `drover ${args.join(' ')}`).toMatchObject({ code: 0 });
        return result;
      };
      const onA = ['--agent', hosts.a.url];
      const onB = ['--agent', hosts.b.url];
      const spec = bareSpec({ name: 'served', pages: 64, rate: 100, memoryMiB: 64 });
      await run(['instance', 'create', '--start', ...onA, '-'], JSON.stringify(spec));
      expect(JSON.parse((await run(['instance', 'show', 'served', '--json', ...onA])).stdout)).toMatchObject({
        state: { life: 'running' },
      });
      const moved = await run([
        ...['migrate', 'served', '--verify', '--json'],
        ...['--source', hosts.a.url, '--destination', hosts.b.url],
      ]);
      expect(moved.stdout).toContain('"state":"completed"');
      expect((await run(['instance', 'list', ...onB])).stdout).toContain('served');
      await run(['instance', 'stop', 'served', '--force', ...onB]);
      await run(['instance', 'delete', 'served', ...onB]);
      expect(await hosts.b.client.listInstances()).toEqual([]);
    });
  },
);
