import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadAgentConfig } from '../src/agent/config.js';
import { agentConfigKeys } from '../src/agent/config-schema.js';
import { loadConfig } from '../src/configuration/load.js';
import { controlPlaneConfigSchema } from '../src/control-plane/config-schema.js';

const packaging = new URL('../../../packaging/', import.meta.url);
const file = (name: string) => ({
  file: fileURLToPath(new URL(name, packaging)),
  environment: {},
  flags: {},
});

describe('the sample configuration', () => {
  it('of an agent is one that an agent takes', async () => {
    expect(await loadAgentConfig(file('agent.toml'))).toMatchObject({
      name: 'north',
      listen: { host: '0.0.0.0', port: 7700 },
      'agent-url': 'http://north.example:7700',
      'control-plane': ['http://fleet-1.example:7600', 'http://fleet-2.example:7600'],
      labels: { rack: '7', ssd: 'yes' },
    });
  });

  it('of a control plane is one that a control plane takes', async () => {
    expect(
      await loadConfig(controlPlaneConfigSchema, agentConfigKeys, file('control-plane.toml')),
    ).toMatchObject({ database: expect.stringMatching(/^postgres:/), 'watch-period-ms': 30_000 });
  });

  it('is where the units look for it', () => {
    for (const name of ['agent', 'control-plane']) {
      const unit = readFileSync(new URL(`systemd/drover-${name}.service`, packaging), 'utf8');
      expect(unit).toContain(`ExecStart=/usr/bin/drover ${name} --config /etc/drover/${name}.toml\n`);
    }
  });
});
