/**
 * Two hosts on one machine: network namespaces joined by a veth pair, made inside the private network that `main.mjs`
 * starts the suites in, so that test traffic cannot leave it. Management traffic has a pair of its own, so that shaping the
 * link between the hosts does not slow the test's own questions.
 */
import { execFileSync } from 'node:child_process';

/** One host's place in the network. */
export interface HostNetwork {
  /** Namespace to enter, or null for this process's own. */
  readonly namespace: string | null;
  /** Where the test reaches the host's API. */
  readonly apiHost: string;
  /** Where the other host reaches this one. */
  readonly peerHost: string;
}

export interface Topology {
  readonly a: HostNetwork;
  readonly b: HostNetwork;
  /** Limits both directions of the link between the hosts, bytes a second; null takes the limit away. */
  limit(bytesPerSecond: number | null): void;
  /**
   * Cuts the link between the hosts without a word to either: what goes that way is lost. Null mends it. Each host then sends to an address of the
   * link layer that nobody has, so that this needs nothing of the kernel.
   */
  cut(way: 'both' | 'a-to-b' | 'b-to-a' | null): void;
  remove(): void;
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

let made = 0;

/** Makes the two namespaces. Needs root and iproute2; `main.mjs` has checked for both. */
export function joinTwoHosts(): Topology {
  made += 1;
  const names = { a: `drover-${process.pid}-${made}a`, b: `drover-${process.pid}-${made}b` };
  const remove = () => {
    for (const name of Object.values(names)) {
      try {
        ip('netns', 'delete', name);
      } catch {
        // Not there: an earlier step of making it failed, or it was removed already.
      }
    }
  };
  try {
    for (const name of Object.values(names)) {
      ip('netns', 'add', name);
      ip('-n', name, 'link', 'set', 'lo', 'up');
    }
    ip('link', 'add', 'data', 'netns', names.a, 'type', 'veth', 'peer', 'name', 'data', 'netns', names.b);
    let subnet = 0;
    for (const name of [names.a, names.b]) {
      const side = made * 2 + subnet;
      ip('link', 'add', `m${side}`, 'type', 'veth', 'peer', 'name', 'manage', 'netns', name);
      ip('address', 'add', `10.213.${side}.1/24`, 'dev', `m${side}`);
      ip('link', 'set', `m${side}`, 'up');
      ip('-n', name, 'address', 'add', `10.213.${side}.2/24`, 'dev', 'manage');
      ip('-n', name, 'address', 'add', `10.214.0.${subnet + 1}/24`, 'dev', 'data');
      for (const device of ['manage', 'data']) ip('-n', name, 'link', 'set', device, 'up');
      subnet += 1;
    }
  } catch (error) {
    remove();
    throw error;
  }
  const limit = (bytesPerSecond: number | null) => {
    for (const name of [names.a, names.b]) {
      const tc = ['netns', 'exec', name, 'tc', 'qdisc'];
      try {
        ip(...tc, 'delete', 'dev', 'data', 'root');
      } catch {
        // No limit was set.
      }
      if (bytesPerSecond === null) continue;
      // A burst of 4 ms of the rate, at least one large segment; 50 ms of queue.
      const burst = Math.max(65_536, Math.round(bytesPerSecond / 250));
      ip(
        ...tc,
        'add',
        'dev',
        'data',
        'root',
        'tbf',
        'rate',
        `${bytesPerSecond * 8}bit`,
        'burst',
        `${burst}`,
        'latency',
        '50ms',
      );
    }
  };
  const cut = (way: 'both' | 'a-to-b' | 'b-to-a' | null) => {
    for (const [name, other, lost] of [
      [names.a, '10.214.0.2', way === 'both' || way === 'a-to-b'],
      [names.b, '10.214.0.1', way === 'both' || way === 'b-to-a'],
    ] as const) {
      const entry = [other, 'dev', 'data'];
      if (lost)
        ip('-n', name, 'neighbour', 'replace', ...entry, 'lladdr', '02:00:00:00:00:99', 'nud', 'permanent');
      else if (way === null) {
        try {
          ip('-n', name, 'neighbour', 'delete', ...entry);
        } catch {
          // It was not cut that way, and nothing was said yet.
        }
      }
    }
  };
  return {
    cut,
    a: { namespace: names.a, apiHost: `10.213.${made * 2}.2`, peerHost: '10.214.0.1' },
    b: { namespace: names.b, apiHost: `10.213.${made * 2 + 1}.2`, peerHost: '10.214.0.2' },
    limit,
    remove,
  };
}
