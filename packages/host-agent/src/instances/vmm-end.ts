import type { VmmEvent, VmmStatus } from '@drover/vmm';

/** The end that a status stands for; null while the VMM is of use. */
export function endOf(status: VmmStatus): VmmEvent | null {
  switch (status) {
    case 'running':
    case 'paused':
    case 'incomplete':
      return null;
    case 'guest-stopped':
      return { kind: 'guest-shutdown', message: 'The guest powered off.' };
    case 'guest-panicked':
      return { kind: 'guest-panicked', message: 'The guest reported a panic.' };
    case 'failed':
      return { kind: 'failed', message: 'The VMM stopped with an internal error; see its log.' };
    case 'gone':
      return { kind: 'exited', message: 'The process of the VMM is gone.' };
  }
}
