import { type ChildProcess, spawn, spawnSync } from 'node:child_process';

/** Node has no datagram sockets of the unix family; Python, which building the addon needs anyway, has. */
const program = `
import socket, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
print("bound", flush=True)
while True: print(manager.recv(4096).decode(), flush=True)
`;

/** Why no manager can be had here; null when one can. */
export const managerMissing: string | null =
  spawnSync('python3', ['--version']).status === 0 ? null : 'python3 is not installed';

/** Listens as systemd does. */
export class ServiceManager {
  readonly #child: ChildProcess;
  #heard = '';

  /** Listens at `path`. */
  constructor(path: string) {
    this.#child = spawn('python3', ['-c', program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#heard += text;
    });
  }

  /** What it was told, in order; `bound` comes first, when it can be told. */
  get heard(): readonly string[] {
    return this.#heard.trimEnd().split('\n');
  }

  close(): void {
    this.#child.kill();
  }
}
