/*
 * One instance, two hosts, up to MIGRATIONS attempts to move it; whoever has it begins the next. Each agent may be killed at any moment,
 * CRASHES times in all, its VMM goes on; an operator may declare one host lost for good (LOST) and resolve what that leaves.
 *
 * The network is the set of all messages ever sent: any of them may come now, later, again or never, in any order. That is more than a
 * control plane, or anybody else who relays answers and keeps them for any time, can do to them.
 *
 * Every table is the code's own (tables.pml is made from it): steps of ownership, of an incoming migration, what a source makes of an
 * answer, what becomes of an instance at a restart. A journal write is two moments, begun and synced; a crash between them leaves either.
 *
 * Once `calm`, nothing fails any more and only what changes something is done. So a state without a successor is an end, and every end must
 * be a good one; and a calm that never ends shows as a cycle.
 */
#include "tables.pml"

#ifndef MIGRATIONS
#define MIGRATIONS 2
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef LOST
#define LOST 1
#endif
#ifndef MUTATION
#define MUTATION 0
#endif

#define vmm_none 0
#define vmm_paused 1
#define vmm_running 2

/* Where a source stands; gone at a crash. */
#define leaving_not 0
#define leaving_copying 1
#define leaving_paused 2
#define leaving_relinquishing 3
#define leaving_committed 4
#define leaving_resumed 5
#define leaving_taking_back 6
#define leaving_taken_back 7
#define leaving_finishing 8
#define leaving_done 9

#define no_part 255

/* Of each host: the agent, the VMM, and whether that has the guest as it is now. */
bool up[2] = true;
bool lost[2];
byte vmm[2];
bool whole[2];
/* The instance's record: there or not, and the migration that it is part of. */
bool here[2];
byte part[2] = no_part;
/* What the journal says: the highest epoch spent, and that of the instance here. */
byte known[2];
byte epoch[2];

/* Of each migration: which host sends, the epoch that it gives, both journals, both agents' own state. */
byte begun;
byte from_host[MIGRATIONS];
byte gives[MIGRATIONS];
byte journal_s[MIGRATIONS];
byte journal_d[MIGRATIONS];
byte held_s[MIGRATIONS];
byte leaving[MIGRATIONS];
byte session[MIGRATIONS];
/* Its control connection broke. */
bool cut[MIGRATIONS];
/* The destination's VMM has all of the guest. READY may be on the disk before, and is said after. */
bool loaded[MIGRATIONS];
/* Its source went on: what was sent is not the guest any more. */
bool stale[MIGRATIONS];
/* The file of an abort notice. */
bool notice[MIGRATIONS];

/* Messages that were sent. */
bool prepare[MIGRATIONS], prepared[MIGRATIONS], switchover[MIGRATIONS], ready[MIGRATIONS], commit[MIGRATIONS];
bool running[MIGRATIONS], abort_[MIGRATIONS], aborted[MIGRATIONS], refused[MIGRATIONS], query[MIGRATIONS];
byte answers[MIGRATIONS]; /* a bit for each outcome */

byte crashes;
bool calm;
bool anyone_lost;
bool done;

#define src(m) from_host[m]
#define dst(m) (1 - from_host[m])
#define answered(m, o) ((answers[m] >> (o)) & 1)
#define can_begin(h) (up[h] && !lost[h] && here[h] && part[h] == no_part && vmm[h] == vmm_running)
#define source_active(m) (leaving[m] != leaving_not)
/* A connection breaks with either of its ends. */
#define broken(m) (cut[m] || !up[src(m)] || !source_active(m) || lost[src(m)] || lost[dst(m)] || !up[dst(m)] || session[m] == session_aborted || refused[m])

/* R1, R3, R4 */
inline go_on(h) {
  assert(up[h] && !lost[h]);
  k = 0;
  do
  :: k < MIGRATIONS ->
    if
    :: k < begun && src(k) == h -> stale[k] = true
    :: else
    fi;
    k++
  :: else -> break
  od;
  k = 0;
  assert(!(vmm[1 - h] == vmm_running));
  assert(vmm[h] != vmm_none && whole[h]);
  /* R4 */
  assert(part[h] == no_part || dst(part[h]) != h || journal_d[part[h]] == destination_owned);
  assert(part[h] == no_part || src(part[h]) != h || (journal_s[part[h]] != source_relinquished && journal_s[part[h]] != source_done));
  vmm[h] = vmm_running;
  whole[1 - h] = false;
}

/* R2: as long as no host is lost there is a VMM from which the guest can go on. */
inline end_vmm(h) {
  vmm[h] = vmm_none;
  whole[h] = false;
  assert(anyone_lost || whole[1 - h]);
}

inline journal_source(m, to, at) {
  assert(source_step_allowed(journal_s[m], to, (journal_s[m] == source_none -> known[src(m)] : held_s[m]), at));
  journal_s[m] = to;
  held_s[m] = at;
  if
  :: at > known[src(m)] -> known[src(m)] = at
  :: else
  fi
}

inline journal_destination(m, to) {
  assert(destination_step_allowed(journal_d[m], to, gives[m], gives[m]) || journal_d[m] == to);
  journal_d[m] = to;
  if
  :: to == destination_owned && gives[m] > known[dst(m)] -> known[dst(m)] = gives[m]
  :: else
  fi
}

inline event(m, e) {
  session[m] = session_next(session[m], e);
  assert(session[m] != session_none);
}

inline give_up_arrival(m) {
  end_vmm(dst(m));
  here[dst(m)] = false;
  part[dst(m)] = no_part;
}

inline crash(h) {
  up[h] = false;
  k = 0;
  do
  :: k < MIGRATIONS ->
    if
    :: k < begun && src(k) == h -> leaving[k] = leaving_not; cut[k] = true
    :: k < begun && dst(k) == h -> session[k] = session_none; cut[k] = true
    :: else
    fi;
    k++
  :: else -> break
  od;
  k = 0
}

/* What adoption does, as the tables of fates say. */
inline restart(h) {
  up[h] = true;
  j = part[h];
  if
  :: !here[h] || vmm[h] == vmm_none
  :: else ->
    if
    :: j == no_part ->
      if
      :: vmm[h] == vmm_paused && known[h] <= epoch[h] -> go_on(h)
      :: else
      fi
    :: j != no_part && src(j) == h ->
      if
      :: source_fate(journal_s[j], (known[h] > (journal_s[j] == source_taken_back -> held_s[j] : epoch[h]))) == fate_ours ->
        if
        :: journal_s[j] == source_taken_back -> epoch[h] = held_s[j]
        :: else ->
          notice[j] = (MUTATION != 9);
          if
          :: journal_s[j] == source_owned -> journal_source(j, source_aborted, held_s[j])
          :: else
          fi
        fi;
        part[h] = no_part;
        if
        :: vmm[h] == vmm_paused -> go_on(h)
        :: else
        fi
      :: source_fate(journal_s[j], (known[h] > (journal_s[j] == source_taken_back -> held_s[j] : epoch[h]))) == fate_in_doubt ->
        assert(vmm[h] != vmm_running);
        leaving[j] = leaving_committed
      :: source_fate(journal_s[j], (known[h] > (journal_s[j] == source_taken_back -> held_s[j] : epoch[h]))) == fate_moved ->
        end_vmm(h);
        here[h] = false;
        part[h] = no_part
      fi
    :: else ->
      if
      :: destination_fate(journal_d[j], 0) == fate_torn_down || (MUTATION == 5 && journal_d[j] == destination_ready) || (destination_fate(journal_d[j], 0) == fate_waiting && !loaded[j]) ->
        if
        :: MUTATION != 5 -> journal_destination(j, destination_aborted)
        :: else
        fi;
        give_up_arrival(j)
      :: else ->
        if
        :: destination_fate(journal_d[j], 0) == fate_waiting -> session[j] = session_ready
        :: destination_fate(journal_d[j], 0) == fate_ours ->
          epoch[h] = gives[j];
          part[h] = no_part;
          session[j] = session_owned;
          if
          :: vmm[h] == vmm_paused -> go_on(h)
          :: else
          fi
        fi
      fi
    fi
  fi;
  j = 0
}

inline take_back(m) {
  journal_source(m, source_taken_back, gives[m] + 1);
  leaving[m] = leaving_taken_back
}

/* What either agent does for one migration. */
active [MIGRATIONS] proctype migration() {
  byte m = _pid, k;

end_unborn:
  m < begun;

end_quiet:
  do
  /* --- the source --- */
  /* Rounds are over: the guest stands still. */
  :: atomic {
    up[src(m)] && leaving[m] == leaving_copying && prepared[m] && !cut[m] ->
    vmm[src(m)] = vmm_paused;
    leaving[m] = leaving_paused;
    switchover[m] = true
  }
  :: atomic {
    up[src(m)] && leaving[m] == leaving_paused && ready[m] && !cut[m] ->
    leaving[m] = leaving_relinquishing;
    if
    :: MUTATION == 2 -> commit[m] = true
    :: else
    fi
  }
  /* RELINQUISHED is synced; then COMMIT goes out. */
  :: atomic {
    up[src(m)] && leaving[m] == leaving_relinquishing ->
    journal_source(m, source_relinquished, gives[m]);
    commit[m] = true;
    leaving[m] = leaving_committed
  }
  /* Any failure before that: the guest goes on first. */
  :: atomic {
    up[src(m)] && (leaving[m] == leaving_copying || leaving[m] == leaving_paused || (MUTATION == 7 && leaving[m] == leaving_committed && !calm)) && (!calm || broken(m)) ->
    go_on(src(m));
    abort_[m] = true;
    leaving[m] = leaving_resumed
  }
  :: atomic {
    up[src(m)] && leaving[m] == leaving_resumed ->
    if
    :: MUTATION == 7 && journal_s[m] == source_relinquished
    :: else -> journal_source(m, source_aborted, held_s[m])
    fi;
    notice[m] = (MUTATION != 9);
    part[src(m)] = no_part;
    leaving[m] = leaving_not
  }
  /* Told again until it is confirmed, over restarts. */
  :: atomic {
    up[src(m)] && notice[m] && !abort_[m] && journal_s[m] == source_aborted ->
    abort_[m] = true
  }
  :: atomic {
    up[src(m)] && notice[m] && (aborted[m] || lost[dst(m)]) && journal_s[m] == source_aborted ->
    notice[m] = false
  }
  /* RUNNING, or an answer that says the same. */
  :: atomic {
    up[src(m)] && leaving[m] == leaving_committed && (running[m] || (answered(m, outcome_owned) && reaction_to(outcome_owned) == reaction_finish)) ->
    leaving[m] = leaving_finishing
  }
  :: atomic {
    up[src(m)] && leaving[m] == leaving_finishing ->
    journal_source(m, source_done, gives[m]);
    leaving[m] = leaving_done
  }
  :: atomic {
    up[src(m)] && leaving[m] == leaving_done ->
    end_vmm(src(m));
    here[src(m)] = false;
    part[src(m)] = no_part;
    leaving[m] = leaving_not
  }
  :: atomic {
    up[src(m)] && leaving[m] == leaving_committed && !query[m] ->
    query[m] = true
  }
  :: atomic {
    up[src(m)] && leaving[m] == leaving_committed && !commit[m] && answered(m, outcome_ready) && reaction_to(outcome_ready) == reaction_commit_again ->
    commit[m] = true
  }
  :: atomic {
    up[src(m)] && leaving[m] == leaving_committed && ((answered(m, outcome_aborted) && reaction_to(outcome_aborted) == reaction_take_back) || (answered(m, outcome_unknown) && (reaction_to(outcome_unknown) == reaction_take_back || MUTATION == 8)) || (answered(m, outcome_preparing) && reaction_to(outcome_preparing) == reaction_take_back) || (answered(m, outcome_ready) && (reaction_to(outcome_ready) == reaction_take_back || MUTATION == 8)) || (MUTATION == 1 && !calm) || (MUTATION == 6 && !up[dst(m)])) ->
    leaving[m] = leaving_taking_back
  }
  :: atomic {
    up[src(m)] && leaving[m] == leaving_taking_back ->
    take_back(m)
  }
  :: atomic {
    up[src(m)] && leaving[m] == leaving_taken_back ->
    go_on(src(m));
    epoch[src(m)] = held_s[m];
    part[src(m)] = no_part;
    leaving[m] = leaving_not
  }
  /* --- the destination --- */
  :: atomic {
    up[dst(m)] && prepare[m] && session[m] == session_none && journal_d[m] == destination_none && !refused[m] ->
    if
    :: !here[dst(m)] && destination_step_allowed(destination_none, destination_preparing, known[dst(m)], gives[m]) ->
      journal_d[m] = destination_preparing;
      here[dst(m)] = true;
      part[dst(m)] = m;
      vmm[dst(m)] = vmm_paused;
      session[m] = session_preparing
    :: else -> refused[m] = true
    fi
  }
  :: atomic {
    up[dst(m)] && session[m] == session_preparing ->
    event(m, event_prepared);
    prepared[m] = true
  }
  :: atomic {
    up[dst(m)] && session[m] == session_receiving && switchover[m] ->
    event(m, event_switchover)
  }
  /* READY goes to the disk while the state is loaded. */
  :: atomic {
    up[dst(m)] && session[m] == session_loading && journal_d[m] == destination_preparing ->
    journal_destination(m, destination_ready)
  }
  /* The guest is here as it was when it paused. */
  :: atomic {
    up[dst(m)] && session[m] == session_loading && !loaded[m] ->
    loaded[m] = true;
    whole[dst(m)] = !stale[m]
  }
  /* Both are needed before READY is said. */
  :: atomic {
    up[dst(m)] && session[m] == session_loading && journal_d[m] == destination_ready && (loaded[m] || MUTATION == 11) ->
    event(m, event_loaded);
    ready[m] = true;
    if
    :: MUTATION == 3 && whole[dst(m)] -> go_on(dst(m))
    :: else
    fi
  }
  /* The connection went, or the agent's own work failed. */
  :: atomic {
    up[dst(m)] && (session[m] == session_preparing || session[m] == session_receiving || session[m] == session_loading) && (!calm || broken(m)) ->
    event(m, event_control_lost)
  }
  :: atomic {
    up[dst(m)] && MUTATION == 10 && session[m] == session_ready && cut[m] ->
    give_up_arrival(m);
    session[m] = session_aborted
  }
  :: atomic {
    up[dst(m)] && commit[m] && session[m] == session_ready ->
    event(m, event_commit);
    if
    :: MUTATION == 4 -> go_on(dst(m))
    :: else
    fi
  }
  /* OWNED is synced, or could not be written. */
  :: atomic {
    up[dst(m)] && session[m] == session_committing ->
    journal_destination(m, destination_owned);
    event(m, event_journaled)
  }
  :: atomic {
    up[dst(m)] && session[m] == session_committing && !calm && MUTATION != 4 ->
    event(m, event_journal_failed)
  }
  :: atomic {
    up[dst(m)] && session[m] == session_owned && part[dst(m)] == m ->
    if
    :: vmm[dst(m)] == vmm_paused -> go_on(dst(m))
    :: else
    fi;
    epoch[dst(m)] = gives[m];
    part[dst(m)] = no_part;
    running[m] = true
  }
  :: atomic {
    up[dst(m)] && commit[m] && session[m] == session_owned && !running[m] && part[dst(m)] != m ->
    running[m] = true
  }
  :: atomic {
    up[dst(m)] && abort_[m] && session[m] != session_none && session_next(session[m], event_abort) != session_none && session_next(session[m], event_abort) != session[m] ->
    event(m, event_abort)
  }
  :: atomic {
    up[dst(m)] && abort_[m] && !aborted[m] && session[m] == session_aborted ->
    aborted[m] = true
  }
  /* Nothing of it is here. */
  :: atomic {
    up[dst(m)] && abort_[m] && !aborted[m] && session[m] == session_none && part[dst(m)] != m && (!calm || !prepare[m] || journal_d[m] != destination_none || refused[m]) ->
    aborted[m] = true
  }
  :: atomic {
    up[dst(m)] && session[m] == session_withdrawing ->
    journal_destination(m, destination_aborted);
    event(m, event_journaled)
  }
  :: atomic {
    up[dst(m)] && session[m] == session_withdrawing && !calm ->
    event(m, event_journal_failed)
  }
  :: atomic {
    up[dst(m)] && session[m] == session_aborting ->
    journal_destination(m, destination_aborted);
    give_up_arrival(m);
    event(m, event_torn_down)
  }
  :: atomic {
    up[dst(m)] && query[m] && !answered(m, outcome_of(journal_d[m])) ->
    answers[m] = answers[m] | (1 << outcome_of(journal_d[m]))
  }
  /* --- the link and the operator --- */
  :: atomic {
    !calm && !cut[m] && source_active(m) ->
    cut[m] = true
  }
  /* With the host lost that alone could tell, the operator decides, and the epoch is raised. */
  :: atomic {
    up[src(m)] && leaving[m] == leaving_committed && lost[dst(m)] && vmm[src(m)] == vmm_paused ->
    whole[src(m)] = true;
    leaving[m] = leaving_taking_back
  }
  :: atomic {
    up[dst(m)] && session[m] == session_ready && lost[src(m)] && !commit[m] && !abort_[m] ->
    if
    /* The source is known to have given it away. */
    :: journal_s[m] == source_relinquished -> commit[m] = true
    /* Nobody knows: the guest may have gone on there, and what is here is old. */
    :: abort_[m] = true
    fi
  }
  od
}

/* Beginning, faults, the operator, the end. */
active proctype world() {
  byte m, h, j, k;
  d_step {
    vmm[0] = vmm_running;
    whole[0] = true;
    here[0] = true;
    epoch[0] = 1
  };

  do
  /* A migration begins: record, then journal. */
  :: atomic {
      begun < MIGRATIONS && !calm && (can_begin(0) || can_begin(1)) ->
      if
      :: can_begin(0) -> h = 0
      :: can_begin(1) -> h = 1
      fi;
      m = begun;
      begun++;
      from_host[m] = h;
      gives[m] = epoch[h] + 1;
      part[h] = m;
      journal_source(m, source_owned, epoch[h]);
      leaving[m] = leaving_copying;
      prepare[m] = true;
      m = 0; h = 0
    }

  /* Nothing fails any more. */
  :: !calm -> calm = true

  /* An agent is killed. What it was writing is on the disk, or not. */
  :: atomic {
      !calm && crashes < CRASHES && ((up[0] && !lost[0]) || (up[1] && !lost[1])) ->
      if
      :: up[0] && !lost[0] -> h = 0
      :: up[1] && !lost[1] -> h = 1
      fi;
      crashes++;
      for (m : 0 .. MIGRATIONS - 1) {
        if
        :: m < begun && src(m) == h && leaving[m] == leaving_relinquishing ->
          if
          :: journal_source(m, source_relinquished, gives[m])
          :: true
          fi
        :: m < begun && src(m) == h && leaving[m] == leaving_taking_back ->
          if
          :: take_back(m)
          :: true
          fi
        :: m < begun && src(m) == h && leaving[m] == leaving_finishing ->
          if
          :: journal_source(m, source_done, gives[m])
          :: true
          fi
        :: m < begun && src(m) == h && leaving[m] == leaving_resumed ->
          if
          :: journal_source(m, source_aborted, held_s[m])
          :: true
          fi
        :: m < begun && dst(m) == h && session[m] == session_committing ->
          if
          :: journal_destination(m, destination_owned)
          :: true
          fi
        :: m < begun && dst(m) == h && session[m] == session_withdrawing ->
          if
          :: journal_destination(m, destination_aborted)
          :: true
          fi
        :: else
        fi
      };
      m = 0;
      crash(h);
      h = 0
    }

  /* It is started again. */
  :: !up[0] && !lost[0] -> atomic { restart(0) }
  :: !up[1] && !lost[1] -> atomic { restart(1) }

  /* A host is gone for good, and fenced: nothing of it runs. */
  :: atomic {
      !calm && !anyone_lost && LOST > 0 ->
      if
      :: h = 0
      :: h = 1
      fi;
      crash(h);
      anyone_lost = true;
      lost[h] = true;
      vmm[h] = vmm_none;
      whole[h] = false;
      h = 0
    }

  :: atomic { timeout && !done ->
    /* Every end is a good one. */
    assert(calm);
    assert(vmm[0] != vmm_paused && vmm[1] != vmm_paused);
    assert(anyone_lost || vmm[0] == vmm_running || vmm[1] == vmm_running);
    assert(lost[0] || part[0] == no_part);
    assert(lost[1] || part[1] == no_part);
    assert(lost[0] || here[0] == (vmm[0] == vmm_running));
    assert(lost[1] || here[1] == (vmm[1] == vmm_running));
    for (m : 0 .. MIGRATIONS - 1) {
      assert(m >= begun || lost[src(m)] || !notice[m]);
      assert(m >= begun || !source_active(m) || lost[src(m)])
    };
    done = true;
    break
    }
  od
}

/* Once calm, there is an end. */
ltl ends { [] (calm -> <> done) }
