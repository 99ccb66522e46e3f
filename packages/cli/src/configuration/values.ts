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

/** `http://a:7600`, `http://a:7600,http://b:7600`. */
export const urls = z.string().transform((text, issues) => {
  const list = text.split(',').map((part) => part.trim());
  const wrong = list.find((url) => !/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : ''));
  if (wrong === undefined) return list;
  issues.addIssue({
    code: 'custom',
    message: `"${wrong}" is not an http URL, for example http://127.0.0.1:7600`,
  });
  return z.NEVER;
});

export const logLevel = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']);
