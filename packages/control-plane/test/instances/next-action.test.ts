import fc from 'fast-check';
import { expect, it } from 'vitest';
import { nextAction, type Situation } from '../../src/instances/next-action.js';

const situation: fc.Arbitrary<Situation> = fc.record({
  desired: fc.constantFrom('running', 'stopped', 'deleted'),
  life: fc.constantFrom(
    null,
    'stopped',
    'starting',
    'running',
    'paused',
    'migrating-out',
    'migrating-in',
    'in-doubt',
    'moved',
    'failed',
  ),
  host: fc.constantFrom(null, 'active', 'draining', 'maintenance', 'unreachable', 'lost'),
  migrating: fc.boolean(),
});

it('asks nothing of a host that does not answer, nor of an instance that is being moved', () => {
  fc.assert(
    fc.property(situation, (now) => {
      const action = nextAction(now);
      if (now.migrating) expect(action).toBe('wait');
      else if (now.host === 'unreachable') expect(action).toBe('wait-for-host');
      else if (now.host === 'lost') expect(action).toBe('give-up-host');
    }),
  );
});

it('makes nothing a second time where there may be one already (R1)', () => {
  fc.assert(
    fc.property(situation, (now) => {
      const action = nextAction(now);
      if (action === 'place') expect(now).toMatchObject({ life: null, host: null });
      if (action === 'create') expect(now.life).toBe(null);
      if (action === 'start') expect(['stopped', 'failed']).toContain(now.life);
      if (action === 'remove') expect(now).toMatchObject({ life: null, host: null, desired: 'deleted' });
    }),
  );
});

it('comes to an end: an agent that does what it is asked reaches what is desired in three steps', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('running', 'stopped', 'deleted'),
      fc.constantFrom(null, 'stopped', 'failed', 'running', 'paused'),
      (desired, life) => {
        let now: Situation = { desired, life, host: life === null ? null : 'active', migrating: false };
        const steps: string[] = [];
        for (let n = 0; n < 5; n += 1) {
          const action = nextAction(now);
          steps.push(action);
          if (action === 'reached' || action === 'remove') break;
          if (action === 'place') now = { ...now, host: 'active' };
          else if (action === 'create') now = { ...now, life: desired === 'running' ? 'running' : 'stopped' };
          else if (action === 'start') now = { ...now, life: 'running' };
          else if (action === 'stop') now = { ...now, life: 'stopped' };
          else if (action === 'delete') now = { ...now, life: null, host: null };
        }
        expect(['reached', 'remove'], steps.join()).toContain(steps.at(-1));
      },
    ),
  );
});
