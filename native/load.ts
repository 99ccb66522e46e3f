/** Finds and loads the compiled addon. Keeps every error on the way and ends with one message and its remedy. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativeAddon } from './index.js';

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));
/** This file runs from `dist/`, or as TypeScript from the package's root in its own tests. */
const packageRoot = basename(here) === 'dist' ? dirname(here) : here;
const platform = `${process.platform}-${process.arch}`;

let loaded: NativeAddon | undefined;

/** Where the compiled files may be, best first. `DROVER_NATIVE_DIR` names another build, e.g. one with a sanitizer. */
function candidates(file: string): string[] {
  const fromEnvironment = process.env.DROVER_NATIVE_DIR;
  return [
    ...(fromEnvironment ? [join(fromEnvironment, file)] : []),
    join(packageRoot, 'prebuilds', platform, file),
  ];
}

export function loadAddon(contractVersion: number): NativeAddon {
  if (loaded) return loaded;
  const tried: string[] = [];
  for (const path of candidates('drover.node')) {
    if (!existsSync(path)) {
      tried.push(`${path}: not there`);
      continue;
    }
    try {
      const addon = require(path) as NativeAddon;
      if (addon.contractVersion === contractVersion) {
        loaded = addon;
        return addon;
      }
      tried.push(`${path}: contract version ${addon.contractVersion}, needed ${contractVersion}`);
    } catch (cause) {
      tried.push(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }
  throw new Error(
    `The native addon could not be loaded. Build it with "npm run bootstrap". Tried: ${tried.join('; ')}`,
  );
}

/** The library that is preloaded into a VMM; null when it was not built. */
export function shimLibraryPath(): string | null {
  return candidates('libdrover-shim.so').find((path) => existsSync(path)) ?? null;
}
