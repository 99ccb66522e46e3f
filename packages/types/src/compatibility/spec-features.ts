/**
 * What each version of the instance spec added, for the sentence that says what stays behind. A new version of the spec gets
 * its line here; a test holds the list to `INSTANCE_SPEC_VERSIONS`.
 */
const added: Readonly<Record<number, string>> = {
  2: 'SMBIOS information, CPUID entries, pvpanic, an rng, block storage or blob storage (instance spec 2)',
  3: 'an NVMe disk without write cache, vsock, the VMM "machine" or a stopped clock (instance spec 3)',
};

/** What a spec of this version can say and older ones cannot; for a version newer than this release, its number alone. */
export function addedBySpec(version: number): string {
  return added[version] ?? `what instance spec ${version} added`;
}
