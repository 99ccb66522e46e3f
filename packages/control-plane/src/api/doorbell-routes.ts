/**
 * The doorbell and the older upcall: outside of the versions, answered from memory, whatever the database does. A VMM that is not known is
 * `vmm-not-found`; a control plane that had no such endpoint would answer `endpoint-not-found`, and by that agents tell the two.
 */
import { doorbellEndpoints, routePattern, upcallEndpoints } from '@drover/protocol';
import { checkShape } from '@drover/types';
import type { FastifyInstance } from 'fastify';
import { controlPlaneErrors } from '../errors.js';
import type { Doorbells } from '../state/doorbells.js';

export function doorbellRoutes(app: FastifyInstance, doorbells: Doorbells): void {
  const ring = (vmm: string, origin: 'doorbell' | 'upcall') => {
    if (doorbells.ring(vmm, origin)) return;
    throw controlPlaneErrors.error(
      'vmm-not-found',
      'This VMM is not known here; nothing more is to be done.',
    );
  };
  app.register(async (bodiless) => {
    // A body that is sent is not read, whatever it says that it is.
    bodiless.removeAllContentTypeParsers();
    bodiless.addContentTypeParser('*', (_request, payload, done) => {
      payload.resume();
      done(null);
    });
    bodiless.post<{ Params: { vmm: string } }>(
      routePattern(doorbellEndpoints.ringDoorbell.path),
      async (request, reply) => {
        ring(request.params.vmm, 'doorbell');
        return reply.status(204).send();
      },
    );
  });
  app.put<{ Params: { vmm: string } }>(
    routePattern(upcallEndpoints.putVmmState.path),
    async (request, reply) => {
      const checked = checkShape(upcallEndpoints.putVmmState.body, request.body, 'body');
      if (!checked.ok) throw controlPlaneErrors.error('request-invalid', `${checked.sentence}.`);
      ring(request.params.vmm, 'upcall');
      return reply.status(204).send();
    },
  );
}
