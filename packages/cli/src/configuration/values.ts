/** Values that the configurations of both daemons have. */
import { z } from 'zod';

/** `host:port`, `[::1]:port`; port 0 lets the kernel choose. */
export const address = z.string().transform((text, issues) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host !== undefined && port <= 65_535) return { host, port };
  issues.addIssue({ code: 'custom', message: 'is not HOST:PORT, for example 127.0.0.1:7700' });
  return z.NEVER;
});

/** `http://a:7700`. */
export const url = z.string().refine(isHttpUrl, 'is not an http URL, for example http://10.0.0.2:7700');

/** `http://a:7600`, `http://a:7600,http://b:7600`. */
export const urls = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .refine((list) => list.every(isHttpUrl), 'is not a list of http URLs, for example http://10.0.0.1:7600');

/** A table in the file; `rack=7,ssd=yes` elsewhere. */
export const labels = z
  .union([z.record(z.string(), z.string()), z.string()])
  .transform((given, issues): Record<string, string> => {
    if (typeof given !== 'string') return given;
    const pairs = given.split(',').map((part) => part.trim().split('='));
    if (pairs.every((pair) => pair.length === 2 && pair[0] !== '')) return Object.fromEntries(pairs);
    issues.addIssue({ code: 'custom', message: 'is not a list of labels, for example rack=7,ssd=yes' });
    return z.NEVER;
  });

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

export const logLevel = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']);
