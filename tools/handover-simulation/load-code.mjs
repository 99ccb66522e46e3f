/** Loads the built packages onto the simulated platform, with one mutation or none. */
import { register } from 'node:module';

/** @param {import('./mutations.mjs').Mutation | null} mutation @returns {Promise<import('./world.mjs').CodeUnderTest>} */
export async function loadCode(mutation) {
  register('./hooks.mjs', import.meta.url, { data: { mutation } });
  const [{ startHostAgent }, { connectControl, exchangeHellos }, types] = await Promise.all([
    import('../../packages/host-agent/dist/index.js'),
    import('../../packages/protocol/dist/index.js'),
    import('../../packages/types/dist/index.js'),
  ]);
  const { instanceSpecSchema, migrationSettingsSchema } = types;
  return { startHostAgent, connectControl, exchangeHellos, instanceSpecSchema, migrationSettingsSchema };
}
