/*  =========================================================================
    replica_link - what comes over the link, as a client and as a master

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "io/base/exit_codes.h"
#include "io/store/replica_inner.h"

#define BURST_FRAMES 256 //  frames applied before they are synced and acked together
#define BURST_BYTES (4 << 20)
#define POKE_EVERY 300     //  ms of silence until a client that lacks something asks again
#define PROGRESS_EVERY 500 //  ms
#define SIZE_EVERY 1000    //  ms
#define PAUSE_MOST 5       //  ms: what is stored meanwhile may end a pause early
#define NEARLY (64 << 10)  //  bytes of log: a peer that lacks no more than these has caught up

//  ---------------------------------------------------------------------------
//  The link, as a client

//  The consent to a roll-back, or to a full resync in its place, was given for another leadership: the role has to look at
//  this one, which may lack what that one had.
static bool s_withdraw (zb_replica_t *self, uint32_t generation)
{
    if (self->rollback && !self->refused)
        self->refused = generation;
    if (!self->rollback || self->refused == generation)
        return false;
    //  There is nothing yet that could be rolled back.
    if (!self->node.current)
        return false;
    self->rollback = false;
    self->generation = generation;
    if (self->folder == self->node.current) {
        zb_env_allow (self->env, false, false);
        return false;
    }
    if (zb_replica_open (self, self->node.current))
        zb_replica_diverge (self);
    return true;
}

static void s_session_as_client (zb_replica_t *self, uint32_t generation)
{
    if (s_withdraw (self, generation))
        return;
    //  Pages that went with the last session are asked for again by Berkeley DB one by one, once a second each
    //  (__rep_pggap_req): faster is to begin anew.
    if (self->touched && self->folder != self->node.current) {
        zb_replica_start_over (self);
        return;
    }
    self->history++;
    self->live = false;
    self->touched = true;
    self->generation = generation;
    self->applied = self->acked = self->end = self->whole = 0;
    self->base = zb_env_end (self->env);
    self->fed = self->poked = zclock_mono ();
    self->progressed = 0;
    zb_replica_set_granted (self, false);
    //  Before the master's answer can lock them.
    zb_tables_close (self->tables);
    zb_env_follow (self->env);
}

static void s_record_as_client (zb_replica_t *self, const zb_ship_event_t *event)
{
    zb_lsn_t lsn;
    self->fed = zclock_mono ();
    switch (zb_env_process (self->env, event->control, event->control_size, event->record, event->record_size, &lsn)) {
    case ZB_ENV_APPLIED:
        if (lsn > self->applied)
            self->applied = lsn;
        break;
    case ZB_ENV_QUEUED:
        //  A duplicate of what is applied already: the master may have missed our ack.
        if (lsn <= self->applied)
            self->acked = 0;
        break;
    case ZB_ENV_NO_LOG:
        if (self->rollback)
            zb_replica_start_over (self);
        else
            zb_replica_diverge (self);
        break;
    case ZB_ENV_DIVERGED:
        if (self->rollback) {
            if (zb_replica_open (self, self->folder))
                zb_ship_act (self->ship, ZB_SHIP_CLIENT, zb_replica_generation (self));
        }
        else
            zb_replica_diverge (self);
        break;
    default:
        break;
    }
}

//  Looks whether we are level with the master now; says so.
static void s_look_level (zb_replica_t *self)
{
    zb_env_status_t status;
    zb_env_status (self->env, &status);
    //  Berkeley DB calls us level where the master was when we began.
    if (!status.caught_up || status.generation != self->generation ||
        zb_env_distance (self->env, status.applied, self->end) > NEARLY || !zb_env_flush (self->env))
        return;
    if (!zb_tables_open (self->tables, self->env, false))
        return;
    if (!zb_tables_are_whole (self->tables)) {
        zb_replica_fail (
            self, ZB_EXIT_DAMAGED,
            zsys_sprintf ("the master's store has reached %s, but tables are missing; the store before it is "
                          "untouched",
                          zb_home_env (self->home, self->folder)));
        return;
    }
    if (self->folder != self->node.current) {
        if (!zb_replica_complete (self))
            return;
        zb_log (ZB_LOG_INFO, "store: the full resync is complete");
    }
    self->live = true;
    self->applied = status.applied;
    self->acked = 0;
    zb_replica_post_meta (self, ZB_STORE_COMPLETE);
    zb_replica_read_waiting (self);
}

//  Syncs and acks what a burst has brought.
static void s_sync_as_client (zb_replica_t *self)
{
    if (!self->live)
        s_look_level (self);
    if (self->live && self->applied > self->acked && zb_env_flush (self->env)) {
        zb_ship_ack (self->ship, self->applied, true);
        self->acked = self->applied;
    }
}

static void s_progress (zb_replica_t *self)
{
    bool full = self->folder != self->node.current;
    zb_ship_stats_t stats;
    zb_ship_stats (self->ship, &stats);
    zb_store_event_t *event = zb_replica_event (self, ZB_STORE_PROGRESS);
    event->text = strdup (full ? "full resync" : "catching up");
    event->done = full ? stats.received : zb_env_distance (self->env, self->base, zb_env_end (self->env));
    event->total = full ? self->whole : zb_env_distance (self->env, self->base, self->end);
    //  The master's store grows while it is copied, and its log is copied behind it.
    if (event->total && event->total < event->done)
        event->total = event->done;
    self->post (self->arg, event);
}

//  Asks again when something is missing and nothing comes; tells how far a resync is.
static void s_tick_as_client (zb_replica_t *self, int64_t now)
{
    s_sync_as_client (self);
    bool lacking = !self->live || self->end > self->applied;
    //  What was asked for is not read yet: the master keeps to its rate.  To ask again would bring it twice, and who gets two
    //  answers goes on from each.
    if (!zb_ship_is_read (self->ship))
        self->fed = now;
    if (lacking && now - self->fed > POKE_EVERY && now - self->poked > POKE_EVERY) {
        self->poked = now;
        zb_env_follow (self->env);
    }
    if (!self->live && now - self->progressed > PROGRESS_EVERY) {
        self->progressed = now;
        s_progress (self);
    }
}

//  ---------------------------------------------------------------------------
//  The link, as a master

static void s_session_as_master (zb_replica_t *self)
{
    self->reached = 0;
    self->there = 0;
    self->streams = false;
    self->owed = 0;
    self->theirs = self->theirs_first = 0;
    self->pace = (zb_pace_t){0};
    //  Before it fetches all: a recovery has made a checkpoint, and what is older than that is not sent.
    zb_tables_keep (self->tables, false);
    zb_replica_set_link (self, ZB_LINK_SYNCING);
}

//  What a resync may still not have: it gets resync_rate beside what is stored meanwhile, so the gap closes at that rate
//  whatever the stream does.
static uint64_t s_owed (const zb_replica_t *self, int64_t now)
{
    uint64_t stored = zb_env_distance (self->env, self->stored, zb_env_sent (self->env));
    uint64_t paid = stored + (uint64_t) (now - self->reckoned) * self->args.resync_rate / 1000;
    return self->owed > paid ? self->owed - paid : 0;
}

static void s_owe (zb_replica_t *self, uint64_t bytes)
{
    int64_t now = zclock_mono ();
    self->owed = s_owed (self, now) + bytes;
    self->stored = zb_env_sent (self->env);
    self->reckoned = now;
}

//  A client asks for what it missed.  What it gets takes its share of the link, the disk and this thread: the next
//  request waits until that is paid for.
static void s_record_as_master (zb_replica_t *self, const zb_ship_event_t *event)
{
    zb_lsn_t lsn;
    zb_ship_stats_t before, after;
    zb_ship_stats (self->ship, &before);
    zb_env_process (self->env, event->control, event->control_size, event->record, event->record_size, &lsn);
    zb_ship_stats (self->ship, &after);
    if (self->link == ZB_LINK_SYNCING && self->args.resync_rate)
        s_owe (self, after.sent - before.sent);
    if (zb_env_distance (self->env, zb_env_answered (self->env), zb_env_sent (self->env)) < NEARLY)
        self->streams = true;
}

static void s_ack_as_master (zb_replica_t *self, const zb_ship_event_t *event)
{
    if (event->lsn > self->reached) {
        self->reached = event->lsn;
        uint64_t there = zb_inflight_acked (&self->inflight, self->reached);
        if (there > self->there) {
            self->there = there;
            zb_replica_post (self, ZB_STORE_SYNCED);
        }
    }
    bool level = self->streams || zb_env_distance (self->env, event->lsn, zb_env_sent (self->env)) < NEARLY;
    if (event->caught_up && level && self->link != ZB_LINK_LIVE) {
        self->streams = true;
        zb_replica_set_link (self, ZB_LINK_LIVE);
    }
}

void zb_replica_wrote (zb_replica_t *self, uint64_t commit)
{
    zb_lsn_t sent = zb_env_sent (self->env);
    zb_pace_wrote (&self->pace, zb_env_distance (self->env, self->logged, sent), zclock_mono ());
    self->logged = sent;
    zb_inflight_add (&self->inflight, commit, sent);
}

//  The peer says where its log ends.
static void s_peer_stands (zb_replica_t *self, zb_lsn_t theirs)
{
    if (self->theirs_first == 0)
        self->theirs_first = theirs;
    self->theirs = theirs;
}

//  A client that is behind must come nearer, or it never catches up.  Where it stands counts once it moves: before that
//  it is looking for where the two logs part, or copies the tables.
static void s_pace (zb_replica_t *self, int64_t now)
{
    bool level = self->link == ZB_LINK_DOWN || (self->link == ZB_LINK_LIVE && self->streams);
    if (self->role != LEADING || level || self->theirs == self->theirs_first) {
        self->pace = (zb_pace_t){.rest = self->pace.rest};
        return;
    }
    uint64_t rate = self->pace.rate;
    zb_pace_look (&self->pace, zb_env_distance (self->env, self->theirs, zb_env_sent (self->env)), now);
    if (!rate && self->pace.rate)
        zb_log (ZB_LOG_INFO, "the peer catches up slower than messages are stored: clients are slowed down");
    else if (rate && now < self->pace.rest)
        zb_log (ZB_LOG_WARNING, "the peer is too slow to catch up: clients are not slowed down for it");
}

//  A client with a generation above ours would ignore us for ever: lead again, above it.
static void s_lead_higher (zb_replica_t *self)
{
    zb_replica_flush (self);
    if (self->failed || !zb_replica_take_lead (self))
        return;
    zb_ship_act (self->ship, ZB_SHIP_MASTER, zb_replica_generation (self));
    zb_replica_set_link (self, ZB_LINK_DOWN);
}

//  ---------------------------------------------------------------------------
//  The link

void *zb_replica_socket (zb_replica_t *self)
{
    return self->ship ? zb_ship_socket (self->ship) : NULL;
}

void *zb_replica_monitor (zb_replica_t *self)
{
    return self->ship ? zb_ship_monitor (self->ship) : NULL;
}

static void s_session_ended (zb_replica_t *self)
{
    self->live = false;
    if (self->role == LEADING)
        zb_replica_set_link (self, ZB_LINK_DOWN);
}

static void s_handle (zb_replica_t *self, const zb_ship_event_t *event)
{
    bool leads = self->role == LEADING;
    switch (event->kind) {
    case ZB_SHIP_OPENED:
        if (leads)
            s_session_as_master (self);
        else
            s_session_as_client (self, event->generation);
        break;
    case ZB_SHIP_CLOSED:
        s_session_ended (self);
        break;
    case ZB_SHIP_RECORD:
        if (!leads)
            s_record_as_client (self, event);
        else
            s_record_as_master (self, event);
        break;
    case ZB_SHIP_ACK:
        s_ack_as_master (self, event);
        break;
    case ZB_SHIP_GRANT:
        //  Also when it is said again: the role may have stopped believing an earlier one.
        if (self->live && zb_env_in_place (self->env)) {
            self->granted = true;
            self->granted_epoch = event->epoch;
            zb_replica_post (self, ZB_STORE_GRANTED);
        }
        break;
    case ZB_SHIP_TICK:
        self->end = event->lsn;
        self->whole = event->size;
        if (leads)
            s_peer_stands (self, event->lsn);
        break;
    case ZB_SHIP_BEHIND:
        s_lead_higher (self);
        break;
    }
}

int64_t zb_replica_pause (const zb_replica_t *self)
{
    //  While clients are slowed down for the peer, it gets what it can take.
    if (self->role != LEADING || self->link != ZB_LINK_SYNCING || !self->owed || self->pace.rate)
        return 0;
    uint64_t left = s_owed (self, zclock_mono ()) * 1000 / self->args.resync_rate;
    return left < PAUSE_MOST ? (int64_t) left : PAUSE_MOST;
}

bool zb_replica_receive (zb_replica_t *self)
{
    if (!self->ship)
        return false;
    size_t frames = 0, bytes = 0;
    zb_ship_event_t event;
    int64_t now = zclock_mono ();
    if (zb_replica_pause (self))
        zb_ship_rest (self->ship, now);
    while (zb_replica_sound (self) && frames < BURST_FRAMES && bytes < BURST_BYTES && !zb_replica_pause (self) &&
           zb_ship_recv (self->ship, &event, now)) {
        s_handle (self, &event);
        frames++;
        bytes += event.record_size;
    }
    if (frames && self->role == FOLLOWING && zb_ship_session (self->ship) && zb_replica_sound (self))
        s_sync_as_client (self);
    return zb_replica_sound (self) && (frames == BURST_FRAMES || bytes >= BURST_BYTES);
}

//  The end of our log, as the peer is told.
static zb_lsn_t s_stands (zb_replica_t *self)
{
    if (self->role == LEADING)
        return zb_env_sent (self->env);
    if (self->role != FOLLOWING || !zb_ship_session (self->ship))
        return 0;
    return self->live ? self->applied : zb_env_end (self->env);
}

void zb_replica_tick_link (zb_replica_t *self, int64_t now)
{
    if (self->role == LEADING && self->link == ZB_LINK_SYNCING && now - self->sized >= SIZE_EVERY) {
        self->sized = now;
        zb_ship_size (self->ship, zb_home_size (self->home, self->folder));
    }
    if (!zb_ship_tick (self->ship, s_stands (self), now))
        s_session_ended (self);
    s_pace (self, now);
    if (self->role == FOLLOWING && zb_ship_session (self->ship))
        s_tick_as_client (self, now);
}
