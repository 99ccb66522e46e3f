/** One control plane as a process of its own: its options as JSON in the first argument, its URL as a line on the standard output. */
import { pino } from 'pino';
import { startControlPlane } from '../../../packages/control-plane/dist/index.js';

const controlPlane = await startControlPlane(JSON.parse(process.argv[2] ?? '{}'), {
  logger: pino({ level: process.env.DROVER_LOG_LEVEL ?? 'error' }, pino.destination(2)),
});
process.stdout.write(`${controlPlane.url}\n`);
process.once('SIGTERM', () => void controlPlane.close().then(() => process.exit(0)));
