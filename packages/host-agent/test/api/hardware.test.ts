import { hostSchema, writeHost } from '@drover/types';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { hostCapacity, hostCpu, readCpuinfo } from '../../src/api/hardware.js';
import { describeHost } from '../../src/api/host.js';
import type { AgentParts } from '../../src/host-agent.js';

const cpuinfo = `processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC 7B13
flags\t\t: fpu sse2  sse4_1 avx2 sse2 Odd!name
bugs\t\t: sysret_ss_attrs

processor\t: 1
vendor_id\t: Other
flags\t\t: none
`;

describe('the processor of a host', () => {
  it('is what KVM offers to guests', () => {
    const offered = { vendor: 'GenuineIntel', model: 'Xeon', features: ['avx2', 'sse2'] };
    expect(
      hostCpu(
        () => offered,
        () => cpuinfo,
      ),
    ).toEqual(offered);
  });

  it('has the name that the kernel gives it where KVM keeps it to itself', () => {
    const nameless = { vendor: '', model: '', features: ['avx2'] };
    const named = { vendor: 'AuthenticAMD', model: 'AMD EPYC 7B13', features: ['avx2'] };
    const ask = () => nameless;
    expect(hostCpu(ask, () => cpuinfo)).toEqual(named);
    expect(hostCpu(ask, () => '')).toEqual({ vendor: 'unknown', model: 'unknown', features: ['avx2'] });
  });

  it('is what the kernel says of it where KVM is missing, in the same names', () => {
    const missing = () => {
      throw new Error('there is no /dev/kvm');
    };
    expect(hostCpu(missing, () => cpuinfo)).toEqual({
      vendor: 'AuthenticAMD',
      model: 'AMD EPYC 7B13',
      features: ['avx2', 'fpu', 'sse2', 'sse4_1'],
    });
  });

  it('is not known where nobody tells', () => {
    expect(readCpuinfo('processor\t: 0\nBogoMIPS\t: 50.00\n')).toBeNull();
  });
});

describe('the description of a host', () => {
  it('says what its processor offers and how much it has, as version 3', async () => {
    const parts = {
      hostId: '0b9d7e52-3c41-4f86-8d0e-5a6b7c8d9e0f',
      name: 'north',
      peer: { host: '127.0.0.1', port: 7701 },
      drivers: [],
      peerVersions: undefined,
      logger: pino({ level: 'silent' }),
    };
    const host = await describeHost(parts as unknown as AgentParts);
    expect(hostSchema.parse(host)).toEqual(host);
    expect(host.capacity).toEqual(hostCapacity());
    expect(host.cpu?.features).toContain('sse2');
    expect(writeHost(host).version).toBe(3);
  });
});
