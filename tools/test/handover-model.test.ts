/** The model of the handover: every state within its bounds, and what it notices when a rule is broken. */
import { describe, expect, it } from 'vitest';
import { MODEL_MUTATIONS } from '../handover-model/mutations.mjs';
import { searchModel } from '../handover-model/search.mjs';
import { promelaTables } from '../handover-model/tables.mjs';

/** On a machine that others load; alone it takes seconds. */
const PATIENCE_MS = 600_000;

describe('the model of the handover', () => {
  it('has no state in which a rule is broken, and none from which nothing leads to a good end (R1, R2, R4, R12)', {
    timeout: PATIENCE_MS,
  }, async () => {
    const { violated, states } = await searchModel(0);
    expect(violated).toBeNull();
    // A model whose hosts do nothing breaks no rule either.
    expect(states).toBeGreaterThan(500_000);
  });

  it.each(MODEL_MUTATIONS)('notices when $breaks', { timeout: PATIENCE_MS }, async ({ number }) => {
    expect((await searchModel(number)).violated).toMatch(/assertion violated|acceptance cycle/);
  });

  it('takes every step of its tables from the code', () => {
    const tables = promelaTables();
    expect(tables).toContain('from == source_relinquished && to == source_taken_back && after > before');
    expect(tables).toContain('((s) == session_ready && (e) == event_control_lost) -> session_ready');
    expect(tables).toContain('((o) == outcome_aborted -> reaction_take_back');
    expect(tables).toContain('((j) == destination_ready && (newer) == 0) -> fate_waiting');
  });
});
