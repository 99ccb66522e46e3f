import type { TestUserConfig, ViteUserConfig } from 'vitest/config';

/** See `config.mjs`. */
export function packageTests(configUrl: string, overrides?: TestUserConfig): ViteUserConfig;
