import { within } from './deadline.js';
import { encodeResponse, type Response } from './response.js';
import type { Wire } from './wire.js';

/** For telling the other side that something went wrong; it finds out without, too, when the connection closes. */
export const COURTESY_MS = 1_000;

/** False: the other side did not take it within `ms`. Not cancelled: whoever waits for it is to hear how it ended. */
export async function answer(wire: Wire, response: Response, ms: number): Promise<boolean> {
  const bytes = encodeResponse(response);
  try {
    await within({ ms, what: 'take the answer', signal: null }, (until) => wire.write(bytes, until));
    return true;
  } catch {
    return false;
  }
}
