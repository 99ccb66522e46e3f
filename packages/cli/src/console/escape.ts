/** Ctrl-], the key that leaves a console, as telnet and virsh have it. */
const ESCAPE = 0x1d;

/** What was typed before Ctrl-], and whether it was typed. */
export function splitAtEscape(typed: Uint8Array): { readonly before: Uint8Array; readonly escaped: boolean } {
  const at = typed.indexOf(ESCAPE);
  return at < 0 ? { before: typed, escaped: false } : { before: typed.subarray(0, at), escaped: true };
}
