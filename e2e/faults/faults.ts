/** What goes wrong: made at one moment of a migration, and taken away again. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fullDisk } from '../../tools/full-disk/full-disk.mjs';
import type { AgentProcess } from '../harness/agent-process.js';
import type { Topology } from '../harness/topology.js';

/** How long a fault lasts that ends by itself; longer than every limit of the agents under test, ms. */
const LASTS_MS = 4_000;
/** How long a killed agent stays away, ms. */
const AWAY_MS = 300;
/** A killed process is gone after this, ms. */
const ENDS_WITHIN_MS = 5_000;
/** A slow link: slow enough to last, and far from standing still, bytes a second. */
const SLOW_BYTES_PER_SECOND = 512 * 1024;

/** The migration that the fault is made in. */
export interface Scene {
  readonly source: AgentProcess;
  readonly destination: AgentProcess;
  readonly topology: Topology;
  readonly vmm: { readonly source: number; readonly destination: number };
}

export interface Fault {
  readonly name: string;
  readonly says: string;
  /** Whether a VMM dies of it: then its guest may be lost, and that must be said. */
  readonly kills: 'source-vmm' | 'destination-vmm' | null;
  make(scene: Scene): Promise<void>;
  /** Takes as long as the fault lasts. */
  mend(scene: Scene): Promise<void>;
}

const ROLES = ['source', 'destination'] as const;
type Role = (typeof ROLES)[number];

export const FAULTS: readonly Fault[] = [
  ...ROLES.map(killedAgent),
  ...ROLES.map(stoppedAgent),
  ...ROLES.map(killedVmm),
  ...ROLES.map(stoppedVmm),
  cutLink('both', 'link-cut', 'the link is cut'),
  cutLink('source', 'link-lost-out', 'nothing of the source arrives'),
  cutLink('destination', 'link-lost-back', 'nothing of the destination arrives'),
  ...ROLES.map(fullDiskOf),
  {
    name: 'slow-link',
    says: `the link carries ${SLOW_BYTES_PER_SECOND / 1024} KiB a second`,
    kills: null,
    make: async ({ topology }) => topology.limit(SLOW_BYTES_PER_SECOND),
    async mend({ topology }) {
      await sleep(LASTS_MS);
      topology.limit(null);
    },
  },
];

function killedAgent(role: Role): Fault {
  return {
    name: `${role}-agent-killed`,
    says: `the ${role}'s agent gets SIGKILL and is started again`,
    kills: null,
    make: (scene) => scene[role].end('SIGKILL'),
    async mend(scene) {
      await sleep(AWAY_MS);
      await scene[role].start();
    },
  };
}

function stoppedAgent(role: Role): Fault {
  return {
    name: `${role}-agent-stopped`,
    says: `the ${role}'s agent gets SIGSTOP, and SIGCONT after ${LASTS_MS / 1000} s`,
    kills: null,
    make: async (scene) => scene[role].signal('SIGSTOP'),
    async mend(scene) {
      await sleep(LASTS_MS);
      scene[role].signal('SIGCONT');
    },
  };
}

function killedVmm(role: Role): Fault {
  return {
    name: `${role}-vmm-killed`,
    says: `the ${role}'s VMM gets SIGKILL`,
    kills: `${role}-vmm`,
    async make({ vmm }) {
      signalTo(vmm[role], 'SIGKILL');
      await hasEnded(vmm[role]);
    },
    mend: async () => {},
  };
}

function stoppedVmm(role: Role): Fault {
  return {
    name: `${role}-vmm-stopped`,
    says: `the ${role}'s VMM gets SIGSTOP, and SIGCONT after ${LASTS_MS / 1000} s`,
    kills: null,
    make: async ({ vmm }) => signalTo(vmm[role], 'SIGSTOP'),
    async mend({ vmm }) {
      await sleep(LASTS_MS);
      signalTo(vmm[role], 'SIGCONT');
    },
  };
}

function cutLink(from: Role | 'both', name: string, says: string): Fault {
  return {
    name,
    says: `${says}, for ${LASTS_MS / 1000} s`,
    kills: null,
    async make({ topology, source }) {
      if (from === 'both') topology.cut('both');
      else topology.cut((from === 'source') === (source.name === 'a') ? 'a-to-b' : 'b-to-a');
    },
    async mend({ topology }) {
      await sleep(LASTS_MS);
      topology.cut(null);
    },
  };
}

/** The disk of the state directory takes nothing, not even the journal. The agent is started again when it does, as its errors say. */
function fullDiskOf(role: Role): Fault {
  return {
    name: `${role}-disk-full`,
    says: `the disk of the ${role}'s journal is full; then it has room, and the agent is started again`,
    kills: null,
    make: async (scene) => fullDisk(scene[role].stateDirectory).set(true),
    async mend(scene) {
      const agent = scene[role];
      await sleep(LASTS_MS / 4);
      fullDisk(agent.stateDirectory).set(false);
      await agent.end('SIGTERM');
      await agent.start();
    },
  };
}

/** A busy machine takes a moment to end what was killed; only then is the fault made, and where its name says. */
async function hasEnded(pid: number): Promise<void> {
  const deadline = Date.now() + ENDS_WITHIN_MS;
  while (isExecuting(pid)) {
    if (Date.now() > deadline)
      throw new Error(`process ${pid} has not ended ${ENDS_WITHIN_MS / 1000} s after SIGKILL`);
    await sleep(1);
  }
}

/** Whether a process is there and not a zombie (proc(5), the state behind the name in parentheses). */
function isExecuting(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '');
  } catch {
    return false;
  }
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // The agents may have ended it in the meantime.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
