/*  =========================================================================
    replica - this node's copy of the store, and its part in the pair

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "io/broker.h"
#include "io/env.h"
#include "io/home.h"
#include "io/inflight.h"
#include "io/node.h"
#include "io/replica.h"
#include "io/ship.h"
#include "io/tables.h"

#define BURST_FRAMES 256 //  frames applied before they are synced and acked together
#define BURST_BYTES (4 << 20)
#define POKE_EVERY 300               //  ms of silence until a client that lacks something asks again
#define PROGRESS_EVERY 500           //  ms
#define CHECKPOINT_KBYTES (48 << 10) //  of log between checkpoints: bounds the stall here and on the peer
#define CHECKPOINT_LOOK 250          //  ms
#define CHECKPOINT_EVERY 30000       //  ms
#define TRIM_EVERY 2000              //  ms
#define SPACE_EVERY 500              //  ms
#define SPACE_RESERVE (64 << 20)     //  bytes beside two log files that must be free
#define META_MAX 1000                //  rows of the meta table

typedef enum { RESTING, FOLLOWING, LEADING, DIVERGED } zb_replica_role_t;

struct zb_replica {
    zb_store_args_t args;
    zb_replica_post_fn *post;
    void *arg;
    bool failed;
    zb_home_t *home;
    zb_node_t node;
    uint64_t folder; //  the environment in use; node.current, or a resync's
    bool touched;    //  a master has written to it
    zb_env_t *env;
    zb_tables_t *tables;
    zb_ship_t *ship;
    zb_replica_role_t role;
    zlist_t *reads; //  wait until the tables can be read again

    //  As a client.
    bool rollback;
    bool live; //  level with the master of this session
    bool granted;
    uint32_t generation;            //  the master's
    zb_lsn_t applied, acked;        //  newest commit applied, and told to the master
    zb_lsn_t end;                   //  of the master's log
    int64_t fed, poked, progressed; //  when: a record came, we asked, we told

    //  As a master.
    zb_link_t link;
    zb_lsn_t reached;              //  newest position that the peer has acked in this session
    uint64_t written, here, there; //  commits
    zb_inflight_t inflight;

    int64_t looked, checkpointed, trimmed, measured, dual;
    bool full;
};

//  ---------------------------------------------------------------------------
//  Events

static zb_store_event_t *s_event (zb_replica_t *self, zb_store_kind_t kind)
{
    zb_store_event_t *event = zmalloc (sizeof (*event));
    event->kind = kind;
    event->here = self->here;
    event->there = self->there;
    event->node = self->node;
    event->granted = self->granted;
    event->full = self->full;
    event->link = self->link;
    event->session = self->ship ? zb_ship_session (self->ship) : 0;
    return event;
}

static void s_post (zb_replica_t *self, zb_store_kind_t kind)
{
    self->post (self->arg, s_event (self, kind));
}

//  Ends it all; takes the text.
static void s_fail (zb_replica_t *self, int code, char *text)
{
    assert (text);
    self->failed = true;
    if (self->env)
        zb_env_fail (self->env, ECANCELED, "the store");
    zb_store_event_t *event = s_event (self, ZB_STORE_FAILED);
    event->code = code;
    event->text = text;
    self->post (self->arg, event);
}

//  Returns whether all is well; the first time that it is not, FAILED goes out.
static bool s_sound (zb_replica_t *self)
{
    const char *fault = self->env ? zb_env_fault (self->env) : NULL;
    if (self->failed || !fault)
        return !self->failed;
    if (zb_env_suspect (self->env)) {
        //  The kernel may have dropped what it could not write: nothing that was not synced before is certain.
        self->node.suspect = true;
        if (zb_node_save (&self->node, self->args.dir) != 0)
            zsys_error ("store: can't note in %s/node that the store is suspect: %s", self->args.dir, strerror (errno));
    }
    if (zb_env_damaged (self->env))
        s_fail (self, ZB_EXIT_DAMAGED,
                zsys_sprintf ("the store is damaged: %s. Of a pair: move %s away and start again, all of it is fetched "
                              "from the peer. Else restore it from a backup",
                              fault, self->args.dir));
    else
        s_fail (self, ZB_EXIT_STORE, zsys_sprintf ("the store failed: %s. Mend the cause and start again", fault));
    return false;
}

//  Writes the node's own file; FAILED if that is impossible.
static bool s_save_node (zb_replica_t *self)
{
    if (zb_node_save (&self->node, self->args.dir) == 0)
        return true;
    s_fail (self, ZB_EXIT_STORE, zsys_sprintf ("can't write %s/node: %s", self->args.dir, strerror (errno)));
    return false;
}

//  Puts all rows of the meta table, and what is known of the pair, into an event and posts it.
static void s_post_meta (zb_replica_t *self, zb_store_kind_t kind)
{
    zb_read_t *read = zb_read_new (0, 0);
    zb_read_add (read, ZB_META, NULL, 0, 0, META_MAX, SIZE_MAX);
    if (zb_tables_read (self->tables, read)) {
        zb_store_event_t *event = s_event (self, kind);
        event->meta = read->found[0];
        event->metas = read->count[0];
        event->fresh = event->metas == 0;
        read->found[0] = NULL;
        read->count[0] = 0;
        zb_env_status_t status;
        zb_env_status (self->env, &status);
        event->generation = status.generation;
        self->post (self->arg, event);
    }
    else if (!zb_env_fault (self->env))
        zb_env_fail (self->env, EINVAL, "reading the meta table");
    zb_read_destroy (&read);
}

//  ---------------------------------------------------------------------------
//  Environments

//  Runs inside Berkeley DB.
static void s_ship (void *arg, const void *control, size_t control_size, const void *record, size_t record_size)
{
    zb_replica_t *self = arg;
    if (self->ship)
        zb_ship_record (self->ship, control, control_size, record, record_size);
}

static void s_close_env (zb_replica_t *self)
{
    if (self->env) {
        zb_tables_close (self->tables);
        zb_env_destroy (&self->env);
    }
}

//  Opens environment N in place of the one that is open.  An empty one may be filled by a full resync.
static bool s_open_env (zb_replica_t *self, uint64_t number, bool empty)
{
    s_close_env (self);
    if (empty && zb_home_make (self->home, number) != 0) {
        s_fail (self, ZB_EXIT_STORE,
                zsys_sprintf ("can't make %s: %s", zb_home_env (self->home, number), strerror (errno)));
        return false;
    }
    zb_env_args_t args = {
        .home = zb_home_env (self->home, number),
        .paired = self->args.paired,
        .node = self->args.node,
        .rollback = empty || self->rollback,
        .init = empty,
        .cache = self->args.cache,
        .log_file = self->args.log_file,
        .send = s_ship,
        .arg = self,
    };
    self->folder = number;
    self->touched = false;
    self->env = zb_env_new (&args);
    return s_sound (self);
}

static uint32_t s_generation (zb_replica_t *self)
{
    zb_env_status_t status;
    zb_env_status (self->env, &status);
    return status.generation;
}

//  The store in this folder is whole from now on, and the one that counts.
static bool s_complete (zb_replica_t *self)
{
    zb_env_sync (self->env);
    if (!zb_env_flush (self->env) || !s_sound (self))
        return false;
    self->node.complete = true;
    self->node.suspect = false;
    self->node.current = self->folder;
    if (!s_save_node (self))
        return false;
    zb_env_allow (self->env, self->rollback, false);
    zb_home_purge (self->home, self->folder);
    return true;
}

//  Answers the reads that had to wait.
static void s_read_waiting (zb_replica_t *self)
{
    size_t waiting = zlist_size (self->reads);
    while (waiting-- && !self->failed)
        zb_replica_read (self, zlist_pop (self->reads));
}

//  ---------------------------------------------------------------------------
//  Life

//  Takes the lock and reads the node's own file.
static bool s_enter (zb_replica_t *self)
{
    char *error;
    bool busy;
    self->home = zb_home_new (self->args.dir, &error, &busy);
    if (!self->home) {
        s_fail (self, busy ? ZB_EXIT_BUSY : ZB_EXIT_STORE, error);
        return false;
    }
    switch (zb_node_load (&self->node, self->args.dir)) {
    case ZB_NODE_DAMAGED:
        s_fail (self, ZB_EXIT_DAMAGED,
                zsys_sprintf ("%s/node is damaged, so it is unknown whether this store is complete. Of a pair: move %s "
                              "away and start again, all of it is fetched from the peer. Else restore the file",
                              self->args.dir, self->args.dir));
        return false;
    case ZB_NODE_ERROR:
        s_fail (self, ZB_EXIT_STORE, zsys_sprintf ("can't read %s/node: %s", self->args.dir, strerror (errno)));
        return false;
    default:
        zb_home_purge (self->home, self->node.current);
        return true;
    }
}

static bool s_connect (zb_replica_t *self)
{
    const char *what;
    self->ship = zb_ship_new (self->args.node, self->args.bind, self->args.peer, self->args.key, &what);
    if (self->ship) {
        zb_ship_act (self->ship, ZB_SHIP_IDLE, s_generation (self));
        return true;
    }
    char *text = zsys_sprintf ("can't use %s for shipping: %s", what, zmq_strerror (errno));
    s_close_env (self);
    s_fail (self, ZB_EXIT_BUSY, text);
    return false;
}

zb_replica_t *zb_replica_new (const zb_store_args_t *args, zb_replica_post_fn *post, void *arg)
{
    zb_replica_t *self = zmalloc (sizeof (*self));
    self->args = *args;
    self->post = post;
    self->arg = arg;
    self->tables = zb_tables_new ();
    self->reads = zlist_new ();
    assert (self->reads);
    bool empty;
    if (!s_enter (self))
        return self;
    empty = self->node.current == 0;
    if (!s_open_env (self, empty ? 1 : self->node.current, empty) || (args->paired && !s_connect (self)))
        return self;
    if (zb_tables_open (self->tables, self->env, !args->paired) && !args->paired && !self->node.complete)
        s_complete (self);
    if (s_sound (self))
        s_post_meta (self, ZB_STORE_OPENED);
    if (!args->paired)
        self->role = LEADING;
    s_sound (self);
    return self;
}

void zb_replica_destroy (zb_replica_t **self_p)
{
    assert (self_p);
    zb_replica_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    if (!self->failed) {
        zb_replica_flush (self);
        if (self->role == LEADING)
            zb_env_checkpoint (self->env, 0);
        zb_tables_close (self->tables);
    }
    zb_env_destroy (&self->env);
    zb_tables_destroy (&self->tables);
    zb_ship_destroy (&self->ship);
    zb_home_destroy (&self->home);
    zb_read_t *read;
    while ((read = zlist_pop (self->reads)) != NULL)
        zb_read_destroy (&read);
    zlist_destroy (&self->reads);
    freen (self);
}

bool zb_replica_failed (const zb_replica_t *self)
{
    return self->failed;
}

//  ---------------------------------------------------------------------------
//  Commands

void zb_replica_commit (zb_replica_t *self, const zb_batch_t *batch)
{
    assert (self->role == LEADING);
    uint64_t commit = zb_batch_commit (batch);
    assert (commit > self->written);
    if (!zb_tables_commit (self->tables, batch)) {
        s_sound (self);
        return;
    }
    self->written = commit;
    if (self->ship)
        zb_inflight_add (&self->inflight, commit, zb_env_sent (self->env));
}

void zb_replica_flush (zb_replica_t *self)
{
    if (self->here == self->written)
        return;
    if (zb_env_flush (self->env)) {
        self->here = self->written;
        s_post (self, ZB_STORE_SYNCED);
    }
    s_sound (self);
}

void zb_replica_read (zb_replica_t *self, zb_read_t *read)
{
    bool done = zb_tables_read (self->tables, read);
    if (!done && zb_tables_are_open (self->tables) && !zb_env_fault (self->env)) {
        zb_tables_close (self->tables);
        done = zb_tables_open (self->tables, self->env, false) && zb_tables_read (self->tables, read);
    }
    if (done) {
        zb_store_event_t *event = s_event (self, ZB_STORE_READ);
        event->read = read;
        self->post (self->arg, event);
    }
    else {
        int rc = zlist_append (self->reads, read);
        assert (rc == 0);
    }
    s_sound (self);
}

void zb_replica_save (zb_replica_t *self, const zb_node_t *node)
{
    self->node.alone = node->alone;
    self->node.alone_from = node->alone_from;
    if (s_save_node (self))
        s_post (self, ZB_STORE_SAVED);
}

void zb_replica_grant (zb_replica_t *self, uint64_t session)
{
    if (self->role == LEADING && self->ship && session && session == zb_ship_session (self->ship))
        zb_ship_grant (self->ship);
}

static void s_set_granted (zb_replica_t *self, bool granted)
{
    if (self->granted == granted)
        return;
    self->granted = granted;
    s_post (self, ZB_STORE_GRANTED);
}

static void s_set_link (zb_replica_t *self, zb_link_t link)
{
    if (self->link == link && link == ZB_LINK_DOWN)
        return;
    self->link = link;
    s_post (self, ZB_STORE_LINK);
}

//  ---------------------------------------------------------------------------
//  Roles

//  Leaves a resync that is going on, for the store that was complete before; an empty one if there was none.
static bool s_abandon_resync (zb_replica_t *self)
{
    if (self->folder == self->node.current || (self->node.current == 0 && !self->touched))
        return true;
    if (self->node.current == 0)
        return s_open_env (self, self->folder + 1, true);
    return s_open_env (self, self->node.current, false);
}

//  Becomes master with a generation above the peer's, and opens the tables.
static bool s_take_lead (zb_replica_t *self)
{
    zb_env_flush (self->env);
    zb_tables_close (self->tables);
    zb_env_lead (self->env, zb_ship_peer_generation (self->ship));
    if (!s_sound (self))
        return false;
    if (!zb_tables_open (self->tables, self->env, true) && !zb_env_fault (self->env))
        zb_env_fail (self->env, EINVAL, "opening the tables as master");
    return s_sound (self);
}

void zb_replica_lead (zb_replica_t *self)
{
    assert (self->ship);
    while (self->role == FOLLOWING && !self->failed && zb_replica_receive (self))
        ;
    if (self->failed || !s_abandon_resync (self) || !s_take_lead (self))
        return;
    if (!self->node.complete && !s_complete (self))
        return;
    self->role = LEADING;
    self->live = false;
    self->reached = 0;
    self->written = self->here = self->there = 0;
    self->inflight.size = 0;
    self->link = ZB_LINK_DOWN;
    zb_ship_act (self->ship, ZB_SHIP_MASTER, s_generation (self));
    s_post_meta (self, ZB_STORE_LED);
    s_set_granted (self, false);
    s_read_waiting (self);
    s_sound (self);
}

//  Fetches everything anew, into a folder of its own.
static void s_start_over (zb_replica_t *self)
{
    uint64_t newest = self->folder > self->node.current ? self->folder : self->node.current;
    zsys_info ("store: a full resync begins, into %s", zb_home_env (self->home, newest + 1));
    if (s_open_env (self, newest + 1, true))
        zb_ship_act (self->ship, ZB_SHIP_CLIENT, s_generation (self));
}

//  Going on would throw away what must not go without the role's consent: rest, readable, until it comes.
static void s_diverge (zb_replica_t *self)
{
    self->role = DIVERGED;
    self->live = false;
    zb_ship_act (self->ship, ZB_SHIP_IDLE, s_generation (self));
    if (!zb_tables_are_open (self->tables))
        zb_tables_open (self->tables, self->env, false);
    if (!s_sound (self))
        return;
    s_post (self, ZB_STORE_DIVERGED);
    s_read_waiting (self);
}

void zb_replica_follow (zb_replica_t *self, bool rollback)
{
    assert (self->ship);
    zb_replica_role_t was = self->role;
    self->rollback = rollback;
    bool full = self->node.suspect && self->folder == self->node.current;
    if (was == LEADING) {
        zb_replica_flush (self);
        zb_tables_close (self->tables);
        zb_env_follow (self->env);
        if (!zb_env_fault (self->env))
            zb_tables_open (self->tables, self->env, false);
        self->link = ZB_LINK_DOWN;
    }
    if (!s_sound (self))
        return;
    self->role = FOLLOWING;
    self->live = false;
    s_post (self, ZB_STORE_FOLLOWS);
    if (full && !rollback)
        s_diverge (self);
    else if (full)
        s_start_over (self);
    else {
        if (was == DIVERGED && rollback)
            //  Berkeley DB does not take up what it has refused: it has to begin anew.
            s_open_env (self, self->folder, false);
        else if (self->folder == self->node.current)
            zb_env_allow (self->env, rollback, false);
        if (s_sound (self))
            zb_ship_act (self->ship, ZB_SHIP_CLIENT, s_generation (self));
    }
    s_sound (self);
}

//  ---------------------------------------------------------------------------
//  The link, as a client

static void s_session_as_client (zb_replica_t *self, uint32_t generation)
{
    self->live = false;
    self->touched = true;
    self->generation = generation;
    self->applied = self->acked = self->end = 0;
    self->fed = self->poked = zclock_mono ();
    self->progressed = 0;
    s_set_granted (self, false);
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
            s_start_over (self);
        else
            s_diverge (self);
        break;
    case ZB_ENV_DIVERGED:
        if (self->rollback) {
            if (s_open_env (self, self->folder, false))
                zb_ship_act (self->ship, ZB_SHIP_CLIENT, s_generation (self));
        }
        else
            s_diverge (self);
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
    if (!status.caught_up || status.generation != self->generation || !zb_env_flush (self->env))
        return;
    if (!zb_tables_open (self->tables, self->env, false))
        return;
    if (!zb_tables_are_whole (self->tables)) {
        s_fail (self, ZB_EXIT_DAMAGED,
                zsys_sprintf ("the master's store has reached %s, but tables are missing; the store before it is "
                              "untouched",
                              zb_home_env (self->home, self->folder)));
        return;
    }
    if (self->folder != self->node.current) {
        if (!s_complete (self))
            return;
        zsys_info ("store: the full resync is complete");
    }
    self->live = true;
    self->applied = status.applied;
    self->acked = 0;
    s_post_meta (self, ZB_STORE_COMPLETE);
    s_read_waiting (self);
}

//  Syncs and acks what a burst has brought.
static void s_settle_as_client (zb_replica_t *self)
{
    if (!self->live)
        s_look_level (self);
    if (self->live && self->applied > self->acked && zb_env_flush (self->env)) {
        zb_ship_ack (self->ship, self->applied, true);
        self->acked = self->applied;
    }
}

//  Asks again when something is missing and nothing comes; tells how far a resync is.
static void s_tick_as_client (zb_replica_t *self, int64_t now)
{
    s_settle_as_client (self);
    bool lacking = !self->live || self->end > self->applied;
    if (lacking && now - self->fed > POKE_EVERY && now - self->poked > POKE_EVERY) {
        self->poked = now;
        zb_env_follow (self->env);
    }
    if (!self->live && now - self->progressed > PROGRESS_EVERY) {
        self->progressed = now;
        zb_ship_stats_t stats;
        zb_ship_stats (self->ship, &stats);
        zb_store_event_t *event = s_event (self, ZB_STORE_PROGRESS);
        event->text = strdup (self->folder != self->node.current ? "full resync" : "catching up");
        event->done = stats.received;
        self->post (self->arg, event);
    }
}

//  ---------------------------------------------------------------------------
//  The link, as a master

static void s_post_dual (zb_replica_t *self)
{
    int64_t now = zclock_mono ();
    if (now - self->dual < 1000)
        return;
    self->dual = now;
    s_post (self, ZB_STORE_DUAL);
}

static void s_session_as_master (zb_replica_t *self)
{
    self->reached = 0;
    self->there = 0;
    s_set_link (self, ZB_LINK_SYNCING);
}

static void s_ack_as_master (zb_replica_t *self, const zb_ship_event_t *event)
{
    if (event->lsn > self->reached) {
        self->reached = event->lsn;
        uint64_t there = zb_inflight_acked (&self->inflight, self->reached);
        if (there > self->there) {
            self->there = there;
            s_post (self, ZB_STORE_SYNCED);
        }
    }
    if (event->caught_up && self->link != ZB_LINK_LIVE)
        s_set_link (self, ZB_LINK_LIVE);
}

//  A client with a generation above ours would ignore us for ever: lead again, above it.
static void s_lead_higher (zb_replica_t *self)
{
    zb_replica_flush (self);
    if (self->failed || !s_take_lead (self))
        return;
    zb_ship_act (self->ship, ZB_SHIP_MASTER, s_generation (self));
    s_set_link (self, ZB_LINK_DOWN);
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
        s_set_link (self, ZB_LINK_DOWN);
}

static void s_handle (zb_replica_t *self, const zb_ship_event_t *event)
{
    bool leads = self->role == LEADING;
    zb_lsn_t lsn;
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
        else if (zb_env_process (self->env, event->control, event->control_size, event->record, event->record_size,
                                 &lsn) == ZB_ENV_DUAL)
            s_post_dual (self);
        break;
    case ZB_SHIP_ACK:
        s_ack_as_master (self, event);
        break;
    case ZB_SHIP_GRANT:
        //  Also when it is said again: the role may have stopped believing an earlier one.
        if (self->live) {
            self->granted = true;
            s_post (self, ZB_STORE_GRANTED);
        }
        break;
    case ZB_SHIP_TICK:
        self->end = event->lsn;
        break;
    case ZB_SHIP_BEHIND:
        s_lead_higher (self);
        break;
    case ZB_SHIP_DUAL:
        s_post_dual (self);
        break;
    }
}

bool zb_replica_receive (zb_replica_t *self)
{
    if (!self->ship)
        return false;
    size_t frames = 0, bytes = 0;
    zb_ship_event_t event;
    int64_t now = zclock_mono ();
    while (s_sound (self) && frames < BURST_FRAMES && bytes < BURST_BYTES && zb_ship_recv (self->ship, &event, now)) {
        s_handle (self, &event);
        frames++;
        bytes += event.record_size;
    }
    if (frames && self->role == FOLLOWING && zb_ship_session (self->ship) && s_sound (self))
        s_settle_as_client (self);
    return s_sound (self) && (frames == BURST_FRAMES || bytes >= BURST_BYTES);
}

//  ---------------------------------------------------------------------------
//  Housekeeping

static void s_set_full (zb_replica_t *self, bool full)
{
    if (self->full == full)
        return;
    self->full = full;
    s_post (self, ZB_STORE_SPACE);
}

static void s_measure_space (zb_replica_t *self)
{
    //  A log that can't be written is the end of the environment, and a message that is consumed needs log, too.
    uint64_t low = 2 * self->args.log_file + SPACE_RESERVE;
    uint64_t space = zb_home_space (self->home);
    if (space < low)
        s_set_full (self, true);
    else if (space > low + SPACE_RESERVE)
        s_set_full (self, false);
}

static void s_checkpoint (zb_replica_t *self, uint32_t kbytes)
{
    if (!zb_env_checkpoint (self->env, kbytes))
        s_set_full (self, true);
}

//  What the peer may still need of the log: all from the file in which it stands, and one more, in which the newest
//  record that both have may lie.  While it is away, what the operator allows.
static void s_trim (zb_replica_t *self)
{
    zb_lsn_t stands = 0;
    if (self->role == LEADING && self->link == ZB_LINK_LIVE)
        stands = self->reached;
    else if (self->role == FOLLOWING && self->live)
        stands = self->applied;
    uint32_t from = ZB_LSN_FILE (stands);
    if (!self->ship)
        zb_env_trim (self->env, UINT32_MAX, SIZE_MAX);
    else
        zb_env_trim (self->env, from ? from - 1 : 0, self->args.log_keep);
}

void zb_replica_tick (zb_replica_t *self)
{
    int64_t now = zclock_mono ();
    if (self->ship && !zb_ship_tick (self->ship, self->role == LEADING ? zb_env_sent (self->env) : 0, now))
        s_session_ended (self);
    if (self->role == FOLLOWING && zb_ship_session (self->ship))
        s_tick_as_client (self, now);
    if (self->role == LEADING && now - self->looked >= CHECKPOINT_LOOK) {
        self->looked = now;
        bool due = now - self->checkpointed >= CHECKPOINT_EVERY;
        if (due)
            self->checkpointed = now;
        s_checkpoint (self, due ? 0 : CHECKPOINT_KBYTES);
    }
    if (s_sound (self) && now - self->trimmed >= TRIM_EVERY) {
        self->trimmed = now;
        s_trim (self);
    }
    if (s_sound (self) && now - self->measured >= SPACE_EVERY) {
        self->measured = now;
        s_measure_space (self);
    }
    s_sound (self);
}
