/** The simulation that the platform modules stand for. One at a time in a process. */
/** @type {import('../world.mjs').World | null} */
let present = null;

/** @param {import('../world.mjs').World | null} world */
export function setWorld(world) {
  present = world;
}

/** @returns {import('../world.mjs').World} */
export function world() {
  if (present === null) throw new Error('code under test ran outside a schedule');
  return present;
}

/** The host whose process is running. */
export function host() {
  const running = world().scheduler.current?.host;
  if (!running) throw new Error('no host’s process is running');
  return running;
}
