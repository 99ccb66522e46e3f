// Ends in the middle of a transfer, in the way that its argument says: `exit` by process.exit(), `worker` by a worker thread that ends,
// `drain` by having nothing left to do.
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { native } from '../../dist/index.js';

const addon = native();

function makeMemory() {
  const fd = addon.createMemfd('transfer-exit', 64n << 20n);
  return addon.openMemory([{ id: 'ram', fd, offset: 0n, sizeBytes: 64n << 20n }]);
}

async function startTransfer() {
  const common = { connections: 2, version: 1, stallTimeoutMs: 60_000, stateLimitBytes: 1000n };
  const receiver = addon.createReceiver({ ...common, memory: makeMemory(), onFailure: () => {} });
  const listener = addon.listenForPeers({
    host: '127.0.0.1',
    port: 0,
    handshakeTimeoutMs: 5000,
    maxPending: 8,
    onConnection: (fd, _preamble, hello) => receiver.addChannel(fd, hello),
  });
  const memory = makeMemory();
  const sender = addon.createSender({
    ...common,
    memory,
    host: '127.0.0.1',
    port: listener.port,
    token: new Uint8Array(32),
    connectTimeoutMs: 5000,
    stateSocket: null,
  });
  await sender.connect();
  await receiver.connected(5000);
  sender.setBandwidth(1000n);
  const pages = addon.createBitmap(memory);
  pages.setAll();
  const round = sender.sendRound(0, pages, addon.createBitmap(memory));
  round.catch(() => {});
  receiver.roundEnded(0, 60_000).catch(() => {});
  return { sender, receiver };
}

const way = isMainThread ? process.argv[2] : workerData;
if (way === 'worker' && isMainThread) {
  new Worker(new URL(import.meta.url), { workerData: 'exit' }).on('exit', () => console.log('done'));
} else {
  const { sender, receiver } = await startTransfer();
  if (way === 'exit') process.exit(0);
  sender.close();
  receiver.close();
  // The listener alone does not keep the process alive.
  console.log('done');
}
