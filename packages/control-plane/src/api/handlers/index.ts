/** Every handler, by the name of its endpoint. */
import type { ControlPlaneParts } from '../../control-plane.js';
import { auditHandlers } from './audit.js';
import { drainHandlers } from './drains.js';
import type { Handlers } from './handler.js';
import { hostHandlers } from './hosts.js';
import { instanceHandlers } from './instances.js';
import { migrationHandlers } from './migrations.js';
import { preflightHandlers } from './preflights.js';
import { vmmHandlers } from './vmms.js';

/** An endpoint without a handler is one that this control plane does not have. */
export function createHandlers(parts: ControlPlaneParts): Partial<Handlers> {
  return {
    ...hostHandlers(parts),
    ...instanceHandlers(parts),
    ...vmmHandlers(parts),
    ...migrationHandlers(parts),
    ...preflightHandlers(parts),
    ...drainHandlers(parts),
    ...auditHandlers(parts),
  };
}
