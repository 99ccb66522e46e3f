import { AgentClient, ControlPlaneClient } from '@drover/client';
import { startReadyProcess } from './ready-process.mjs';

/** A control plane with an empty database and a few agents, ms; many times what they take. */
const READY_TIMEOUT_MS = 60_000;
/** Longer than all of them take to close, ms. */
const STOP_TIMEOUT_MS = 60_000;

/**
 * @typedef {object} FleetHost
 * @property {string} name
 * @property {string} url
 * @property {number} pid
 * @property {string} log
 * @property {AgentClient} client
 *
 * @typedef {object} FleetProcess
 * @property {string} url Of the control plane.
 * @property {ControlPlaneClient} client
 * @property {FleetHost[]} hosts
 * @property {() => Promise<void>} stop Ends all of it and the guests, by force where it does not end by itself.
 */

/**
 * Starts `drover up` on ports that the kernel chooses, and waits until all agents are registered.
 *
 * @param {string} directory Gets the state and the logs; must be short, for sockets are made in it.
 * @param {{ agents?: number }} [options] Agents: two unless told.
 * @returns {Promise<FleetProcess>}
 */
export async function startFleet(directory, { agents = 2 } = {}) {
  let words = '';
  try {
    const { ready, stop } = await startReadyProcess(
      ['up', '--json', '--agents', String(agents), '--directory', directory, '--listen', '127.0.0.1:0'],
      {
        stderr: 'pipe',
        onWords: (text) => {
          words = `${words}${text}`.slice(-2_000);
        },
        readyTimeoutMs: READY_TIMEOUT_MS,
        stopTimeoutMs: STOP_TIMEOUT_MS,
      },
    );
    const { controlPlane: url, hosts } =
      /** @type {{ controlPlane: string, hosts: Omit<FleetHost, 'client'>[] }} */ (ready);
    return {
      url,
      client: new ControlPlaneClient({ url, actor: 'demo' }),
      hosts: hosts.map((host) => ({ ...host, client: new AgentClient({ url: host.url }) })),
      stop,
    };
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Error(words.trim() || `The fleet did not start: it ${reason}`, { cause: thrown });
  }
}
