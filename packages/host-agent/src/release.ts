import { createRequire } from 'node:module';

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

/** The release of this agent, semver. */
export const RELEASE = version;
