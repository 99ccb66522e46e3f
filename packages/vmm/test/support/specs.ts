/** Instance specs as a person writes them, decoded. */
import { type InstanceSpec, type InstanceSpecInput, instanceSpecSchema } from '@drover/types';

export function spec(input: Partial<InstanceSpecInput> = {}): InstanceSpec {
  return instanceSpecSchema.parse({
    name: 'web-1',
    cpus: 1,
    memoryMiB: 64,
    boot: { from: 'kernel', kernel: '/boot/kernel' },
    ...input,
  });
}

export const serialPort = { console: { kind: 'serial-port', port: 'com1' } } as const;
