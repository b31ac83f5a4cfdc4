/*  =========================================================================
    bstar - Binary Star: two servers behave as one

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "patterns/bstar.h"
#include "patterns/heart.h"

#include <stdatomic.h>

#define BEAT_SIZE 2 //  bytes: state, home

struct bstar {
    zloop_t *loop;
    heart_t *heart;
    bstar_fsm_t fsm;
    bool in_conflict; //  the last word of the peer was that it is active, too
    zsock_t *voter;
    zloop_reader_fn *voter_fn;
    void *voter_arg;
    bstar_fn *active_fn;
    void *active_arg;
    bstar_fn *passive_fn;
    void *passive_arg;
    bstar_fn *conflict_fn;
    void *conflict_arg;
    //  What the heart's thread reads.
    atomic_int state;
    _Atomic int64_t turn_ms; //  when the reactor last ran
};

//  In the heart's thread.
static size_t s_fill (void *context, uint8_t *payload, size_t room)
{
    bstar_t *self = context;
    (void) room;
    if (zclock_mono () - atomic_load (&self->turn_ms) > HEART_SILENCE)
        return 0;
    payload[0] = (uint8_t) atomic_load (&self->state);
    payload[1] = (uint8_t) self->fsm.home;
    return BEAT_SIZE;
}

static int s_call (bstar_t *self, bstar_fn *handler, void *arg)
{
    return handler ? handler (self->loop, arg) : 0;
}

//  Takes one step and tells whom it concerns.  Returns -1 if the reactor shall end.
static int s_step (bstar_t *self, bstar_event_t event, bstar_verdict_t *verdict)
{
    //  The guide's rule: a pending backup knows nothing of its primary, and does not lead without it.
    const bstar_facts_t facts = {.peer_gone = heart_peer_gone (self->heart),
                                 .may_lead = self->fsm.state != BSTAR_BACKUP,
                                 .preferred = self->fsm.home == BSTAR_PRIMARY};
    const bstar_state_t before = self->fsm.state;
    const bstar_row_t *row = bstar_step (&self->fsm, event, &facts);
    *verdict = row->verdict;
    if (row->verdict == BSTAR_CONFLICT_LOST || (row->verdict == BSTAR_CONFLICT_WON && !self->in_conflict))
        zsys_warning ("bstar: both were active: %s", bstar_verdict_name (row->verdict));
    self->in_conflict = row->verdict == BSTAR_CONFLICT_WON;
    if (self->fsm.state == before)
        return 0;
    zsys_info ("bstar: %s: row %d, %s: %s", bstar_event_name (event), row->number, row->name,
               bstar_state_name (self->fsm.state));
    atomic_store (&self->state, (int) self->fsm.state);
    heart_update (self->heart);
    if (row->verdict == BSTAR_CONFLICT_LOST &&
        (!self->conflict_fn || s_call (self, self->conflict_fn, self->conflict_arg)))
        return -1;
    if (self->fsm.state == BSTAR_ACTIVE)
        return s_call (self, self->active_fn, self->active_arg);
    if (self->fsm.state == BSTAR_PASSIVE)
        return s_call (self, self->passive_fn, self->passive_arg);
    return 0;
}

static int s_heard (bstar_t *self, const heart_event_t *event)
{
    bstar_event_t heard;
    bstar_verdict_t verdict;
    if (event->size != BEAT_SIZE || !bstar_event_of_peer (event->payload[0], &heard) ||
        event->payload[1] == (uint8_t) self->fsm.home) {
        if (event->session_is_new)
            zsys_error ("bstar: the peer is no %s, and is not heeded",
                        bstar_state_name (self->fsm.home == BSTAR_PRIMARY ? BSTAR_BACKUP : BSTAR_PRIMARY));
        return 0;
    }
    return s_step (self, heard, &verdict);
}

static int s_news (zloop_t *loop, zsock_t *reader, void *arg)
{
    (void) loop;
    (void) reader;
    bstar_t *self = arg;
    const heart_event_t *event;
    while ((event = heart_recv (self->heart))) {
        if (event->paused_ms)
            zsys_warning ("bstar: this process did not run for %" PRId64 " ms", event->paused_ms);
        //  That it is gone matters when a client asks, not before.
        if (event->kind != HEART_BEAT)
            zsys_info ("bstar: the peer is %s", event->kind == HEART_DEAD ? "dead" : "silent");
        else if (s_heard (self, event))
            return -1;
    }
    return 0;
}

static int s_vote (zloop_t *loop, zsock_t *reader, void *arg)
{
    bstar_t *self = arg;
    bstar_verdict_t verdict;
    //  The newest that is known of the peer first: it may be back, or have taken over.
    if (s_news (loop, NULL, self) || s_step (self, BSTAR_CLIENT_VOTE, &verdict))
        return -1;
    if (verdict == BSTAR_ACCEPT)
        return self->voter_fn (loop, reader, self->voter_arg);
    zmsg_t *request = zmsg_recv (reader);
    zmsg_destroy (&request);
    return 0;
}

static int s_turn (zloop_t *loop, int timer, void *arg)
{
    (void) loop;
    (void) timer;
    bstar_t *self = arg;
    atomic_store (&self->turn_ms, zclock_mono ());
    return 0;
}

bstar_t *bstar_new (bstar_state_t home, const char *local, const char *remote)
{
    bstar_t *self = zmalloc (sizeof *self);
    assert (self);
    self->fsm = bstar_fsm (home);
    atomic_init (&self->state, (int) home);
    atomic_init (&self->turn_ms, zclock_mono ());
    self->loop = zloop_new ();
    assert (self->loop);
    const bool tcp = strncmp (remote, "tcp://", 6) == 0;
    const heart_args_t args = {.name = "bstar",
                               .bind = local,
                               .peer = remote,
                               .probe = &remote,
                               .probes = tcp ? 1 : 0,
                               .fill = s_fill,
                               .context = self};
    self->heart = heart_new (&args);
    if (!self->heart) {
        int error = errno;
        bstar_destroy (&self);
        errno = error;
        return NULL;
    }
    zloop_reader (self->loop, heart_sock (self->heart), s_news, self);
    zloop_timer (self->loop, HEART_INTERVAL, 0, s_turn, self);
    return self;
}

void bstar_destroy (bstar_t **self_p)
{
    assert (self_p);
    bstar_t *self = *self_p;
    if (self) {
        zloop_destroy (&self->loop);
        heart_destroy (&self->heart);
        zsock_destroy (&self->voter);
        free (self);
        *self_p = NULL;
    }
}

int bstar_voter (bstar_t *self, const char *endpoint, int type, zloop_reader_fn *handler, void *arg)
{
    assert (!self->voter && handler);
    self->voter = zsock_new (type);
    assert (self->voter);
    zsock_set_linger (self->voter, 0);
    if (zsock_bind (self->voter, "%s", endpoint) < 0) {
        int error = errno;
        zsock_destroy (&self->voter);
        errno = error;
        return -1;
    }
    self->voter_fn = handler;
    self->voter_arg = arg;
    return zloop_reader (self->loop, self->voter, s_vote, self);
}

void bstar_new_active (bstar_t *self, bstar_fn *handler, void *arg)
{
    self->active_fn = handler;
    self->active_arg = arg;
}

void bstar_new_passive (bstar_t *self, bstar_fn *handler, void *arg)
{
    self->passive_fn = handler;
    self->passive_arg = arg;
}

void bstar_new_conflict (bstar_t *self, bstar_fn *handler, void *arg)
{
    self->conflict_fn = handler;
    self->conflict_arg = arg;
}

zloop_t *bstar_zloop (bstar_t *self)
{
    return self->loop;
}

bstar_state_t bstar_state (const bstar_t *self)
{
    return self->fsm.state;
}

int bstar_start (bstar_t *self)
{
    assert (self->voter);
    atomic_store (&self->turn_ms, zclock_mono ());
    return zloop_start (self->loop);
}
