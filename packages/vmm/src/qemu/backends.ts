/** What a device names as its backend. */
import type { Component, InstanceSpec } from '@drover/types';
import { vmmErrors } from '../errors.js';

/** Throws `spec-unsupported-by-qemu`. */
export function backendOf(spec: InstanceSpec, device: string, backend: string): Component {
  const found = Object.hasOwn(spec.components, backend) ? spec.components[backend] : undefined;
  if (found) return found;
  throw vmmErrors.error(
    'spec-unsupported-by-qemu',
    `Component "${device}" names the backend "${backend}", which the spec does not have.`,
  );
}

export function wrongBackend(device: string, backend: Component): Error {
  return vmmErrors.error(
    'spec-unsupported-by-qemu',
    `Component "${device}" cannot have a backend of kind ${backend.kind} under this driver.`,
  );
}
