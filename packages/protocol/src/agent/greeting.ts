import { z } from 'zod';

/** What an agent of any release says at `GET /`, which takes no version: so a client finds out which ones are served. */
export const agentGreeting = z.object({ apiVersions: z.array(z.string()) });
