import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** Kernel names of modules know no difference between "-" and "_". @param {string} name */
const canonical = (name) => name.replaceAll('-', '_');

/**
 * The modules that a `.ko` file names in its `.modinfo` section as those it needs.
 *
 * @param {Buffer} module
 * @returns {string[]}
 */
export function moduleDependencies(module) {
  const start = module.indexOf('\0depends=') + '\0depends='.length;
  if (start < '\0depends='.length) return [];
  const names = module.subarray(start, module.indexOf(0, start)).toString('latin1');
  return names === '' ? [] : names.split(',').map(canonical);
}

/**
 * Finds those of `wanted` that the kernel has as modules, with everything they need, each after what it needs. What is
 * not there is built into the kernel.
 *
 * @param {string} directory `lib/modules/<version>` of a kernel package
 * @param {readonly string[]} wanted
 * @returns {Promise<{ name: string, data: Buffer }[]>}
 */
export async function modulesInOrder(directory, wanted) {
  const files = await readdir(directory, { recursive: true });
  const paths = new Map(
    files
      .filter((file) => file.endsWith('.ko'))
      .map((file) => [canonical(basename(file, '.ko')), join(directory, file)]),
  );
  /** @type {Map<string, { name: string, data: Buffer }>} */
  const found = new Map();
  /** @param {string} name @param {readonly string[]} above */
  const visit = async (name, above) => {
    const path = paths.get(name);
    if (path === undefined || found.has(name)) return;
    if (above.includes(name))
      throw new Error(`kernel modules need each other in a ring: ${[...above, name].join(' → ')}`);
    const data = await readFile(path);
    for (const needed of moduleDependencies(data)) await visit(needed, [...above, name]);
    found.set(name, { name: `${name}.ko`, data });
  };
  for (const name of wanted) await visit(canonical(name), []);
  return [...found.values()];
}
