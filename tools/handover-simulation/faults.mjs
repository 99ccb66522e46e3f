/** What goes wrong in a schedule: what, to whom, and at which event. */
import { NORTH, SOUTH } from './world.mjs';

/**
 * @typedef {object} Fault
 * @property {string} name
 * @property {number} weight  how often it is chosen, beside the others
 * @property {(world: import('./world.mjs').World, host: import('./host.mjs').SimulatedHost) => void} happen
 */

/** How long a thing stays broken, ms: a moment, or longer than the deadlines that wait for it. @param {import('./world.mjs').World} world */
function lasting(world) {
  const { random } = world;
  return random.chance(0.6) ? random.between(20, 2_000) : random.between(2_000, 45_000);
}

/** @param {import('./world.mjs').World} world @param {import('./host.mjs').SimulatedHost} host */
function restartLater(world, host) {
  const killed = host.agent;
  world.scheduler.after(20 + lasting(world), null, () => {
    if (host.agent === killed) host.startAgent();
  });
}

/** @param {import('./host.mjs').SimulatedHost} host */
const other = (host) => (host.address === NORTH ? SOUTH : NORTH);

/** @type {readonly Fault[]} */
export const FAULTS = [
  {
    name: 'agent killed',
    weight: 10,
    happen(world, host) {
      if (!host.agent?.alive) return;
      host.killAgent();
      restartLater(world, host);
    },
  },
  {
    name: 'agent killed, and nobody told',
    weight: 3,
    happen(world, host) {
      if (!host.agent?.alive) return;
      host.killAgent(true);
      restartLater(world, host);
    },
  },
  {
    name: 'agent stopped in order',
    weight: 3,
    happen(world, host) {
      const { agent } = host;
      if (!agent?.alive || !agent.agent) return;
      agent.stopping = true;
      world.scheduler.after(0, agent, () => {
        agent.agent?.close().then(() => {
          if (host.agent !== agent) return;
          host.killAgent();
          restartLater(world, host);
        });
      });
    },
  },
  {
    name: 'power lost',
    weight: 3,
    happen(world, host) {
      world.rules.vmmWasKilled = true;
      host.losePower();
      restartLater(world, host);
    },
  },
  {
    name: 'power lost in a write of the journal',
    weight: 4,
    happen(world, host) {
      const call = () => {
        world.rules.vmmWasKilled = true;
        host.losePower();
        restartLater(world, host);
      };
      host.disk.atNextWrite = { name: 'ownership.log', call };
    },
  },
  {
    name: 'VMM killed',
    weight: 2,
    happen(world, host) {
      const [vmm] = host.processes.list();
      world.rules.vmmWasKilled = true;
      vmm?.end('killed');
    },
  },
  {
    name: 'link cut, both ways',
    weight: 5,
    happen(world) {
      world.network.block(NORTH, SOUTH);
      world.network.block(SOUTH, NORTH);
      world.scheduler.after(lasting(world), null, () => world.network.heal());
    },
  },
  {
    name: 'link cut, one way',
    weight: 5,
    happen(world, host) {
      world.network.block(host.address, other(host));
      world.scheduler.after(lasting(world), null, () => world.network.heal());
    },
  },
  {
    name: 'every connection reset',
    weight: 5,
    happen: (world) => world.network.resetAll(),
  },
  {
    name: 'network slow',
    weight: 3,
    happen(world) {
      world.network.slowness = world.random.between(50, 8_000);
      world.scheduler.after(lasting(world), null, () => world.network.heal());
    },
  },
  {
    name: 'disk full',
    weight: 3,
    happen(world, host) {
      host.disk.full = true;
      host.diskWasFull = true;
      world.scheduler.after(lasting(world), null, () => {
        host.disk.full = false;
      });
    },
  },
  {
    name: 'migration cancelled',
    weight: 3,
    happen(world) {
      for (const { agent } of world.hosts) {
        if (!agent?.alive || !agent.parts) continue;
        const { store } = agent.parts;
        world.scheduler.after(0, agent, () => {
          for (const { id } of store.list()) store.get(id)?.cancel();
        });
      }
    },
  },
  {
    name: 'old connection comes again',
    weight: 4,
    happen(world) {
      const { recorded } = world.network;
      if (recorded.length > 0) world.network.replay(world.random.pick(recorded));
    },
  },
  {
    name: 'COMMIT of another epoch',
    weight: 3,
    happen(world, host) {
      world.stranger(host);
    },
  },
];

/** @param {import('./random.mjs').Random} random @returns {Fault} */
export function pickFault(random) {
  let left = random.below(FAULTS.reduce((sum, { weight }) => sum + weight, 0));
  for (const fault of FAULTS) {
    left -= fault.weight;
    if (left < 0) return fault;
  }
  throw new Error('weights add up');
}
