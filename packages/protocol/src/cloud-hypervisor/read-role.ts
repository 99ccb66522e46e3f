import { decodeConnectionRole } from './connection-role.js';
import { within } from './deadline.js';
import { endedInside } from './payload.js';
import { demand } from './refusal.js';
import { type ConnectionRoleName, Sizes } from './registry.js';
import type { Wire } from './wire.js';

/** As long as Cloud Hypervisor waits for a role, ms. */
export const ROLE_MS = 10_000;

/**
 * Reads what a connection beside the main one is for; nothing answers it. Errors: `cloud-hypervisor-violation`, `-closed`, `-timeout`, the
 * signal's reason. The connection is then closed, and the migration goes on without it.
 */
export async function readConnectionRole(
  wire: Wire,
  options: { readonly signal: AbortSignal; readonly timeoutMs?: number },
): Promise<ConnectionRoleName> {
  const { signal, timeoutMs: ms = ROLE_MS } = options;
  try {
    const bytes = await within({ ms, what: "send a connection's role", signal }, (until) =>
      wire.read(Sizes.role, until),
    );
    if (bytes === null) throw endedInside("0 of 2 bytes of a connection's role");
    return demand(decodeConnectionRole(bytes));
  } catch (thrown) {
    wire.close();
    throw thrown;
  }
}
