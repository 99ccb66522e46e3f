import { quoteBriefly } from '@drover/types';
import { protocolErrors } from './errors.js';

/** Where something listens. An IPv6 address stands here without brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * `north.example:7701`, `10.0.0.1:7701`, `[::1]:7701`. Errors: `address-invalid`. A port of 0 is accepted only with `allowZeroPort`, for
 * addresses to listen on.
 */
export function parseHostPort(text: string, options: { readonly allowZeroPort?: boolean } = {}): HostPort {
  const match = /^(?:\[([0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(
    text.trim(),
  );
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  const least = options.allowZeroPort ? 0 : 1;
  if (
    host === undefined ||
    host.length > 253 ||
    port < least ||
    port > 65_535 ||
    (match?.[1] && !host.includes(':'))
  ) {
    throw protocolErrors.error(
      'address-invalid',
      `${quoteBriefly(text)} is not an address: write host:port with a port from ${least} to 65535, for example north.example:7701 or [::1]:7701.`,
    );
  }
  return { host, port };
}

/** The form that {@link parseHostPort} reads. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
