// Takes the lock of a state directory as an agent does, says what came of it, and holds it until it is killed.
import { StateDirectory } from '../../dist/storage/state-directory.js';

try {
  const state = await StateDirectory.open(process.argv[2]);
  console.log(`holds ${state.hostId}`);
  setInterval(() => state, 60_000);
} catch (thrown) {
  console.log(`refused ${thrown.code}`);
}
