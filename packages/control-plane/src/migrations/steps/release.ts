/** Gives back what was reserved, and lets the instance be moved again. */
import { releaseRoom } from '../../placement/reservations.js';
import { leaveInstance } from '../leave-instance.js';
import type { Step } from '../step.js';

export const release: Step = async ({ migration }) => ({
  kind: 'decide',
  async decide(transaction, changes) {
    await releaseRoom(transaction, migration.id);
    await leaveInstance(transaction, changes, migration);
    return { kind: 'done', result: null };
  },
});
