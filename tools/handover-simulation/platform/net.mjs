/** `node:net` of the code under test. */
import { world } from './current.mjs';

/** @param {{ host: string, port: number }} to */
export function connect({ host, port }) {
  const { network, scheduler } = world();
  return network.connect(scheduler.current, host, port);
}

/** What the listener handed out under a number. */
export class Socket {
  /** @param {{ fd: number }} options */
  constructor({ fd }) {
    // biome-ignore lint/correctness/noConstructorReturn: Node's own class wraps the descriptor just so
    return world().network.take(fd);
  }
}
