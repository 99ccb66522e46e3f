import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('replica-process.mjs', import.meta.url));

/** A control plane in a process of its own, so that its memory is its own and it can be killed. */
export class Replica {
  /**
   * @param {import('node:child_process').ChildProcess} child
   * @param {string} url
   */
  constructor(child, url) {
    this.child = child;
    this.url = url;
  }

  /**
   * @param {object} options of the control plane
   * @returns {Promise<Replica>}
   */
  static async start(options) {
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout });
    const [url] = await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`a control plane ended with ${code} before it was ready`);
      }),
    ]);
    return new Replica(child, String(url));
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  async ask(method, path, body) {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { 'api-version': '1.0.0', ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
    return text === '' ? null : JSON.parse(text);
  }

  /**
   * The values of one metric, by its labels as they are written; '' without labels.
   *
   * @param {string} name
   * @returns {Promise<Map<string, number>>}
   */
  async metric(name) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const found = [...text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))];
    return new Map(found.map(([, labels = '', value]) => [labels, Number(value)]));
  }

  /** What the process has computed so far, ms: what a figure costs, whatever else the machine does. */
  async cpuMs() {
    const stat = await readFile(`/proc/${this.child.pid}/stat`, 'utf8');
    // utime and stime, fields 14 and 15; the name before them may have spaces. USER_HZ is 100 on Linux.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** @param {NodeJS.Signals} signal */
  async end(signal) {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill(signal);
    await gone;
  }
}
