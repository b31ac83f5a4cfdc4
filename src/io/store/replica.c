/*  =========================================================================
    replica - this node's copy of the store, and its part in the pair

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "io/base/exit_codes.h"
#include "io/store/folder.h"
#include "io/store/moment.h"
#include "io/store/node.h"
#include "io/store/replica_inner.h"

#define CHECKPOINT_KBYTES (48 << 10) //  of log between checkpoints: bounds the stall here and on the peer
#define CHECKPOINT_LOOK 250          //  ms
#define CHECKPOINT_EVERY 30000       //  ms
#define CHECKPOINT_FULL (4 << 10)    //  kbytes of log between them on a full disk
#define TRIM_FULL 50                 //  ms
#define TRIM_EVERY 2000              //  ms
#define TRIM_AGAIN 20                //  ms between files when there is more than one
#define SPACE_EVERY 100              //  ms
#define SPACE_RESERVE (64 << 20)     //  bytes beside two log files that must be free
#define META_MAX 1000                //  rows of the meta table

//  ---------------------------------------------------------------------------
//  Events

zb_store_event_t *zb_replica_event (zb_replica_t *self, zb_store_kind_t kind)
{
    zb_store_event_t *event = zmalloc (sizeof (*event));
    event->kind = kind;
    event->here = self->here;
    event->there = self->there;
    event->node = self->node;
    event->granted = self->granted;
    event->granted_epoch = self->granted ? self->granted_epoch : 0;
    event->full = self->full;
    event->link = self->link;
    event->pace = self->pace.rate;
    event->resume = zb_pace_resume (&self->pace);
    event->confirmed = self->confirmed;
    event->session = self->ship ? zb_ship_session (self->ship) : 0;
    return event;
}

void zb_replica_post (zb_replica_t *self, zb_store_kind_t kind)
{
    self->post (self->arg, zb_replica_event (self, kind));
}

void zb_replica_fail (zb_replica_t *self, int code, char *text)
{
    assert (text);
    self->failed = true;
    if (self->env)
        zb_env_fail (self->env, ECANCELED, "the store");
    zb_store_event_t *event = zb_replica_event (self, ZB_STORE_FAILED);
    event->code = code;
    event->text = text;
    self->post (self->arg, event);
}

bool zb_replica_refused (zb_replica_t *self, int error, const char *format, ...)
{
    char what[512];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (what, sizeof what, format, arguments);
    va_end (arguments);
    zb_replica_fail (self, zb_moment_code (error), zsys_sprintf ("%s: %s", what, zb_moment_text (error)));
    return false;
}

//  A checksum is wrong, and a copy of the store is with the peer: puts it aside, and the node is one that has to fetch all.
//  What may fail for want of something comes first.  Returns where the store is; NULL and errno if nothing was done.
static char *s_set_aside (zb_replica_t *self)
{
    zb_node_t node = self->node;
    node.complete = false;
    node.suspect = true;
    node.current = 0;
    zb_record_t *record = zb_node_prepare (&node, self->args.dir);
    if (!record)
        return NULL;
    char *path = zb_home_set_aside (self->home, self->folder);
    if (!path) {
        int error = errno;
        zb_record_discard (&record);
        errno = error;
        return NULL;
    }
    //  If this is the last that gets done, the missing folder says the same at the next start.
    if (zb_record_commit (&record) != 0)
        zb_log (ZB_LOG_ERROR, "store: %s/node can't be put in its place: %s", self->args.dir, strerror (errno));
    self->node = node;
    return path;
}

//  What is done about a damaged store.  Returns the text for the operator.
static char *s_damaged (zb_replica_t *self, const char *fault)
{
    const char *dir = self->args.dir;
    if (!self->args.paired)
        return zsys_sprintf ("the store is damaged: %s. Nothing was changed: keep %s as it is, and see WAYS OUT in "
                             "zbroker(1)",
                             fault, dir);
    if (self->node.alone)
        return zsys_sprintf (
            "the store is damaged: %s. It is the only one that holds what this broker answered without "
            "its peer, so nothing was changed: keep %s as it is, and see WAYS OUT in zbroker(1)",
            fault, dir);
    if (self->folder != self->node.current)
        return zsys_sprintf ("the copy of the peer's store is damaged: %s. Start again, it begins anew", fault);
    char *aside = s_set_aside (self);
    char *text = aside ? zsys_sprintf ("the store is damaged: %s. It was put aside as %s; start again, and all is "
                                       "fetched from the peer. Keep it until the pair is in sync",
                                       fault, aside)
                       : zsys_sprintf ("the store is damaged: %s. It can't be put aside, so nothing was changed: %s. "
                                       "Mend that and start again",
                                       fault, zb_moment_text (errno));
    freen (aside);
    return text;
}

//  Whether Berkeley DB can't open a store of which it is known that a sync has failed: what its log has lost may be in its
//  tables.  A start does not mend that, and the peer has all that it may be asked for.
static bool s_is_lost (const zb_replica_t *self)
{
    return self->opening && self->node.suspect && self->args.paired && !self->args.shared &&
           self->folder == self->node.current && !zb_env_suspect (self->env) && zb_env_cause (self->env) == 0;
}

//  Ends it for the environment's fault.
static void s_fail (zb_replica_t *self, const char *fault)
{
    int cause = zb_env_cause (self->env);
    if (zb_env_damaged (self->env))
        zb_replica_fail (self, ZB_EXIT_DAMAGED, s_damaged (self, fault));
    else if (s_is_lost (self)) //  who supervises it starts it again, as after the sync that failed
        zb_replica_fail (self, ZB_EXIT_STORE, s_damaged (self, fault));
    else if (zb_moment_is (cause))
        zb_replica_fail (
            self, ZB_EXIT_MOMENT,
            zsys_sprintf ("the store stopped: %s; %s. Nothing is damaged: start again", fault, zb_moment_text (cause)));
    else
        zb_replica_fail (self, zb_moment_code (cause),
                         zsys_sprintf ("the store failed: %s. Mend the cause and start again; if there is none to be "
                                       "found, see WAYS OUT in zbroker(1)",
                                       fault));
}

bool zb_replica_sound (zb_replica_t *self)
{
    const char *fault = self->env ? zb_env_fault (self->env) : NULL;
    if (self->failed || !fault)
        return !self->failed;
    //  There is no second copy of a shared store to begin anew with: its next opener only writes it again.
    bool passes = zb_env_damaged (self->env) || zb_moment_is (zb_env_cause (self->env));
    if (self->args.shared ? !passes : zb_env_suspect (self->env)) {
        //  The kernel may have dropped what it could not write: nothing that was not synced before is certain.
        if (self->args.shared)
            zb_replica_confirm_lock (self, false);
        self->node.suspect = true;
        if (zb_node_save (&self->node, self->args.dir) != 0)
            zb_log (ZB_LOG_ERROR, "store: can't note in %s/node that the store is suspect: %s", self->args.dir,
                    strerror (errno));
    }
    s_fail (self, fault);
    return false;
}

bool zb_replica_save_node (zb_replica_t *self)
{
    return zb_node_save (&self->node, self->args.dir) == 0 ||
           zb_replica_refused (self, errno, "can't write %s/node", self->args.dir);
}

void zb_replica_post_meta (zb_replica_t *self, zb_store_kind_t kind)
{
    zb_read_t *read = zb_read_new (0, 0);
    zb_read_add (read, ZB_META, NULL, 0, 0, META_MAX, SIZE_MAX);
    if (zb_tables_read (self->tables, read)) {
        zb_store_event_t *event = zb_replica_event (self, kind);
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
static void s_ship (void *arg, bool fresh, const void *control, size_t control_size, const void *record,
                    size_t record_size)
{
    zb_replica_t *self = arg;
    //  A peer that is behind can't apply what is new: it would write it to a queue, to read it again when its turn comes.
    if (self->ship && (self->streams || !fresh) &&
        !zb_ship_record (self->ship, control, control_size, record, record_size))
        self->streams = false;
}

static void s_close_env (zb_replica_t *self)
{
    if (self->env) {
        zb_tables_close (self->tables);
        zb_env_destroy (&self->env);
    }
}

static bool s_open_env (zb_replica_t *self, uint64_t number, bool empty)
{
    self->history++;
    s_close_env (self);
    zb_env_args_t args = {
        .home = zb_home_env (self->home, number),
        .paired = self->args.paired,
        .shared = self->args.shared,
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
    self->opening = true;
    self->env = zb_env_new (&args);
    bool sound = zb_replica_sound (self);
    self->opening = false;
    return sound;
}

bool zb_replica_open (zb_replica_t *self, uint64_t number)
{
    return s_open_env (self, number, false);
}

bool zb_replica_open_new (zb_replica_t *self)
{
    s_close_env (self);
    //  What an earlier one has fetched, if it was broken off.
    zb_home_purge (self->home, self->node.current, self->node.filling);
    uint64_t number;
    if (zb_home_newest (self->args.dir, &number) != 0)
        return zb_replica_refused (self, errno, "can't read %s", self->args.dir);
    if (number < self->node.current)
        number = self->node.current;
    if (number < self->folder)
        number = self->folder;
    self->node.filling = ++number;
    if (!zb_replica_save_node (self))
        return false;
    if (zb_home_make (self->home, number) != 0)
        return zb_replica_refused (self, errno, "can't make %s", zb_home_env (self->home, number));
    return s_open_env (self, number, true);
}

uint32_t zb_replica_generation (zb_replica_t *self)
{
    zb_env_status_t status;
    zb_env_status (self->env, &status);
    return status.generation;
}

bool zb_replica_complete (zb_replica_t *self)
{
    zb_env_sync (self->env);
    if (!zb_env_flush (self->env) || !zb_replica_sound (self))
        return false;
    if (zb_folder_sync (zb_home_env (self->home, self->folder)) != 0)
        return zb_replica_refused (self, errno, "can't sync %s", zb_home_env (self->home, self->folder));
    self->node.complete = true;
    self->node.suspect = false;
    self->node.current = self->folder;
    self->node.filling = 0;
    if (!zb_replica_save_node (self))
        return false;
    zb_env_allow (self->env, self->rollback, false);
    zb_home_purge (self->home, self->folder, 0);
    return true;
}

void zb_replica_read_waiting (zb_replica_t *self)
{
    size_t waiting = zlist_size (self->reads);
    while (waiting-- && !self->failed)
        zb_replica_read (self, zlist_pop (self->reads));
}

//  ---------------------------------------------------------------------------
//  Life

//  Whether the folder is another node's: then nothing in it is touched.
static bool s_is_another (zb_replica_t *self)
{
    zb_node_t node;
    unsigned as = self->args.paired ? self->args.node : 0;
    if (self->args.any || self->args.shared || zb_node_load (&node, self->args.dir) != ZB_NODE_FOUND || !node.as || node.as == as)
        return false;
    const char *dir = self->args.dir, *name = zb_node_name (node.as);
    zb_replica_fail (
        self, ZB_EXIT_USAGE,
        zsys_sprintf ("%s belongs to a pair: it is the %s's store, and this broker was started as %s. Nothing was "
                      "changed. Say --as %s, or name another folder with --store. To move a store on "
                      "purpose: zbroker adopt, in zbroker(1)",
                      dir, name, as ? zb_node_name (as) : "one without a pair", name));
    return true;
}

//  Whether the store is of a level that this program does not read: then nothing in the folder is touched.
static bool s_is_beyond (zb_replica_t *self)
{
    zb_node_t node;
    if (zb_node_load (&node, self->args.dir) != ZB_NODE_BEYOND)
        return false;
    char *text = zb_node_beyond (self->args.dir);
    zb_replica_fail (self, ZB_EXIT_USAGE, text);
    return true;
}

//  Goes into the folder and, unless the store is shared, takes the lock.
static bool s_enter (zb_replica_t *self)
{
    char *error;
    int code;
    zb_kind_t kind = self->args.shared ? ZB_KIND_SHARED : self->args.paired ? ZB_KIND_REPLICATED : ZB_KIND_SINGLE;
    if (s_is_another (self) || s_is_beyond (self))
        return false;
    self->home = zb_home_new (self->args.dir, kind, &error, &code);
    if (!self->home)
        zb_replica_fail (self, code, error);
    return self->home != NULL;
}

//  A folder that holds a store is not a new one, whatever its file says, or if it is missing.
static bool s_is_odd (zb_replica_t *self, zb_node_state_t state)
{
    const char *dir = self->args.dir;
    if (state == ZB_NODE_DAMAGED)
        zb_replica_fail (self, ZB_EXIT_DAMAGED,
                         zsys_sprintf ("%s/node is damaged, so it is unknown whether this store is complete, or the "
                                       "only one that holds some answers. Nothing was changed: see WAYS OUT in "
                                       "zbroker(1)",
                                       dir));
    else if (state == ZB_NODE_ERROR)
        zb_replica_refused (self, errno, "can't read %s/node", dir);
    else if (state == ZB_NODE_ABSENT && zb_home_holds_tables (dir))
        zb_replica_fail (self, ZB_EXIT_DAMAGED,
                         zsys_sprintf ("%s holds a database, but the file %s/node is missing, so it is unknown whether "
                                       "this store is complete. Nothing was changed: bring the file back, or see WAYS "
                                       "OUT in zbroker(1)",
                                       dir, dir));
    return self->failed;
}

bool zb_replica_load_node (zb_replica_t *self)
{
    zb_node_state_t state = zb_node_load (&self->node, self->args.dir);
    //  A shared one may have been raised since this process came.
    if (state == ZB_NODE_BEYOND ? s_is_beyond (self) : s_is_odd (self, state))
        return false;
    bool aside =
        self->args.paired && self->node.current && !self->node.alone && !zb_home_has (self->home, self->node.current);
    //  Put aside because it was damaged, and that was the last thing done.
    if (aside)
        self->node = (zb_node_t){.suspect = true, .level = self->node.level};
    bool unnamed = self->args.paired && !self->node.as;
    if (unnamed)
        self->node.as = self->args.node;
    //  What there was before there was a file for it holds no tables.
    if (state == ZB_NODE_ABSENT)
        self->node.filling = ZB_FILLING_ANY;
    else if ((aside || unnamed) && !zb_replica_save_node (self))
        return false;
    zb_home_purge (self->home, self->node.current, self->node.filling);
    return true;
}

static bool s_connect (zb_replica_t *self)
{
    const char *what;
    self->ship = zb_ship_new (self->args.node, self->args.bind, self->args.peer, self->args.key, self->args.keys, &what);
    if (self->ship) {
        zb_ship_tell (self->ship, self->args.links);
        zb_ship_act (self->ship, ZB_SHIP_IDLE, zb_replica_generation (self));
        return true;
    }
    int code = zb_moment_is (errno) ? ZB_EXIT_MOMENT : ZB_EXIT_BUSY;
    char *text = zsys_sprintf ("can't use %s for shipping: %s", what,
                               code == ZB_EXIT_MOMENT ? zb_moment_text (errno) : zmq_strerror (errno));
    s_close_env (self);
    zb_replica_fail (self, code, text);
    return false;
}

zb_replica_t *zb_replica_new (const zb_store_args_t *args, zb_replica_post_fn *post, void *arg)
{
    zb_replica_t *self = zmalloc (sizeof (*self));
    self->args = *args;
    self->space = UINT64_MAX;
    self->post = post;
    self->arg = arg;
    self->tables = zb_tables_new ();
    self->reads = zlist_new ();
    assert (self->reads);
    if (!s_enter (self))
        return self;
    if (args->shared) {
        zb_replica_share (self);
        return self;
    }
    if (!zb_replica_load_node (self))
        return self;
    if (!(self->node.current ? zb_replica_open (self, self->node.current) : zb_replica_open_new (self)) ||
        (args->paired && !s_connect (self)))
        return self;
    if (zb_tables_open (self->tables, self->env, !args->paired) && !args->paired && !self->node.complete)
        zb_replica_complete (self);
    if (zb_replica_sound (self))
        zb_replica_post_meta (self, ZB_STORE_OPENED);
    if (!args->paired)
        self->role = LEADING;
    zb_replica_sound (self);
    return self;
}

void zb_replica_destroy (zb_replica_t **self_p)
{
    assert (self_p);
    zb_replica_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    zb_copier_destroy (&self->copier);
    if (!self->failed) {
        zb_replica_flush (self);
        if (self->args.shared && self->role == LEADING)
            zb_replica_confirm_lock (self, true);
        if (self->role == LEADING)
            zb_tables_checkpoint (self->tables, 0);
        zb_tables_close (self->tables);
    }
    zb_tables_destroy (&self->tables);
    zb_env_destroy (&self->env);
    if (self->args.shared && !self->failed)
        zb_replica_release (self);
    zb_ship_destroy (&self->ship);
    zb_home_destroy (&self->home);
    zb_read_t *read;
    while ((read = zlist_pop (self->reads)) != NULL)
        zb_read_destroy (&read);
    zlist_destroy (&self->reads);
    freen (self);
}

uint64_t zb_replica_space (const zb_replica_t *self)
{
    return self->space;
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
    if (self->args.shared)
        zb_replica_confirm_lock (self, false);
    if (!zb_tables_commit (self->tables, batch)) {
        zb_replica_sound (self);
        return;
    }
    self->written = commit;
    if (self->ship)
        zb_replica_wrote (self, commit);
}

void zb_replica_flush (zb_replica_t *self)
{
    if (self->here == self->written)
        return;
    if (zb_env_flush (self->env)) {
        //  What was written without the lock is no promise.
        if (self->args.shared)
            zb_replica_confirm_lock (self, true);
        self->here = self->written;
        zb_replica_post (self, ZB_STORE_SYNCED);
    }
    zb_replica_sound (self);
}

void zb_replica_read (zb_replica_t *self, zb_read_t *read)
{
    if (self->args.shared && self->role != LEADING) {
        zb_replica_share_read (self, read);
        return;
    }
    bool done = zb_tables_read (self->tables, read);
    if (!done && zb_tables_are_open (self->tables) && !zb_env_fault (self->env)) {
        zb_tables_close (self->tables);
        done = zb_tables_open (self->tables, self->env, false) && zb_tables_read (self->tables, read);
    }
    if (done) {
        zb_store_event_t *event = zb_replica_event (self, ZB_STORE_READ);
        event->read = read;
        self->post (self->arg, event);
    }
    else {
        int rc = zlist_append (self->reads, read);
        assert (rc == 0);
    }
    zb_replica_sound (self);
}

void zb_replica_save (zb_replica_t *self, const zb_node_t *node)
{
    self->node.alone = node->alone;
    self->node.alone_from = node->alone_from;
    if (node->level > self->node.level)
        self->node.level = node->level;
    if (zb_replica_save_node (self))
        zb_replica_post (self, ZB_STORE_SAVED);
}

void zb_replica_grant (zb_replica_t *self, uint64_t session, uint64_t epoch)
{
    if (self->role == LEADING && self->ship && session && session == zb_ship_session (self->ship))
        zb_ship_grant (self->ship, epoch);
}

void zb_replica_set_granted (zb_replica_t *self, bool granted)
{
    if (self->granted == granted)
        return;
    self->granted = granted;
    zb_replica_post (self, ZB_STORE_GRANTED);
}

void zb_replica_set_link (zb_replica_t *self, zb_link_t link)
{
    if (self->link == link && link == ZB_LINK_DOWN)
        return;
    self->link = link;
    zb_replica_post (self, ZB_STORE_LINK);
}

//  ---------------------------------------------------------------------------
//  Roles

//  Leaves a resync that is going on, for the store that was complete before; an empty one if there was none.
static bool s_abandon_resync (zb_replica_t *self)
{
    if (self->folder == self->node.current || (self->node.current == 0 && !self->touched))
        return true;
    return self->node.current ? zb_replica_open (self, self->node.current) : zb_replica_open_new (self);
}

bool zb_replica_take_lead (zb_replica_t *self)
{
    zb_env_flush (self->env);
    zb_tables_close (self->tables);
    zb_env_lead (self->env, zb_ship_peer_generation (self->ship));
    if (!zb_replica_sound (self))
        return false;
    if (!zb_tables_open (self->tables, self->env, true) && !zb_env_fault (self->env))
        zb_env_fail (self->env, EINVAL, "opening the tables as master");
    return zb_replica_sound (self);
}

void zb_replica_lead (zb_replica_t *self, uint64_t heard)
{
    if (self->args.shared) {
        zb_replica_share_lead (self, heard);
        return;
    }
    self->history++;
    assert (self->ship);
    while (self->role == FOLLOWING && !self->failed && zb_replica_receive (self))
        ;
    if (self->failed || !s_abandon_resync (self) || !zb_replica_take_lead (self))
        return;
    if (!self->node.complete && !zb_replica_complete (self))
        return;
    self->role = LEADING;
    //  Clients wait for the first commits: no checkpoint before those.
    self->checkpointed = self->looked = zclock_mono ();
    self->live = false;
    self->reached = 0;
    self->written = self->here = self->there = 0;
    self->inflight.size = 0;
    self->link = ZB_LINK_DOWN;
    zb_ship_act (self->ship, ZB_SHIP_MASTER, zb_replica_generation (self));
    zb_replica_post_meta (self, ZB_STORE_LED);
    zb_replica_set_granted (self, false);
    zb_replica_read_waiting (self);
    zb_replica_sound (self);
}

void zb_replica_start_over (zb_replica_t *self)
{
    self->live = false;
    if (!zb_replica_open_new (self))
        return;
    zb_log (ZB_LOG_INFO, "store: a full resync begins, into %s", zb_home_env (self->home, self->folder));
    zb_ship_act (self->ship, ZB_SHIP_CLIENT, zb_replica_generation (self));
}

void zb_replica_diverge (zb_replica_t *self)
{
    self->role = DIVERGED;
    self->live = false;
    self->refused = self->generation;
    zb_ship_act (self->ship, ZB_SHIP_IDLE, zb_replica_generation (self));
    if (!zb_tables_are_open (self->tables))
        zb_tables_open (self->tables, self->env, false);
    if (!zb_replica_sound (self))
        return;
    if (zb_tables_are_open (self->tables))
        zb_replica_post_meta (self, ZB_STORE_DIVERGED);
    else
        zb_replica_post (self, ZB_STORE_DIVERGED);
    zb_replica_read_waiting (self);
}

void zb_replica_follow (zb_replica_t *self, bool rollback)
{
    if (self->args.shared) {
        zb_replica_share_follow (self);
        return;
    }
    assert (self->ship);
    zb_replica_role_t was = self->role;
    //  A client that is told again keeps its session.
    self->history += was != FOLLOWING;
    self->rollback = rollback;
    if (was != DIVERGED)
        self->refused = 0;
    bool full = self->node.suspect && self->folder == self->node.current;
    if (was == LEADING) {
        zb_replica_flush (self);
        //  A master notes in its log that it closes a table.  Behind the last commit that would be a tail that the next
        //  master lacks, and Berkeley DB would run recovery, from the last checkpoint on, to be rid of it.
        zb_env_follow (self->env);
        zb_tables_close (self->tables);
        if (!zb_env_fault (self->env))
            zb_tables_open (self->tables, self->env, false);
        self->link = ZB_LINK_DOWN;
    }
    if (!zb_replica_sound (self))
        return;
    self->role = FOLLOWING;
    zb_replica_post (self, ZB_STORE_FOLLOWS);
    if (full && !rollback) {
        zb_replica_diverge (self);
        self->refused = 0;
    }
    else if (full)
        zb_replica_start_over (self);
    else {
        //  A resync that was allowed for another leadership is over.
        bool other = !rollback && self->node.current && self->folder != self->node.current;
        if (other)
            zb_replica_open (self, self->node.current);
        else if (was == DIVERGED)
            //  Berkeley DB does not take up what it has refused, and says nothing of it again: it has to begin anew.
            zb_replica_open (self, self->folder);
        else if (self->folder == self->node.current)
            zb_env_allow (self->env, rollback, false);
        //  A client that is told again keeps its session.
        if ((was != FOLLOWING || other) && zb_replica_sound (self)) {
            self->live = false;
            zb_ship_act (self->ship, ZB_SHIP_CLIENT, zb_replica_generation (self));
        }
    }
    zb_replica_sound (self);
}

//  ---------------------------------------------------------------------------
//  Housekeeping

static void s_set_full (zb_replica_t *self, bool full)
{
    if (self->full == full)
        return;
    self->full = full;
    self->trim = 0;
    zb_replica_post (self, ZB_STORE_SPACE);
}

static void s_measure_space (zb_replica_t *self)
{
    //  A log that can't be written is the end of the environment, and a message that is consumed needs log, too.  What was
    //  consumed leaves room in the files for new messages, but none for the log.
    uint64_t low = 2 * self->args.log_file + SPACE_RESERVE, least = low - SPACE_RESERVE / 2;
    uint64_t space = self->space = zb_home_space (self->home);
    uint64_t spare = space < UINT64_MAX / 2 ? zb_tables_spare (self->tables) : 0;
    //  What the log has alone may come to the tables yet.
    least += zb_tables_owed (self->tables);
    if (space < least || space + spare < low)
        s_set_full (self, true);
    else if (space > least + SPACE_RESERVE / 4 && space + spare > low + SPACE_RESERVE / 4)
        s_set_full (self, false);
}

static void s_checkpoint (zb_replica_t *self, uint32_t kbytes)
{
    if (!zb_tables_checkpoint (self->tables, kbytes))
        s_set_full (self, true);
}

//  What the peer may still need of the log: all from the file in which it stands, and one more, in which the newest
//  record that both have may lie.  While it is away, what the operator allows.  A client that is not level leaves the log
//  alone: a resync may be going on.  So does a backup, which is given up when the disk is full.  Returns whether a file
//  was removed: one at a time, for it takes a while.
static bool s_trim (zb_replica_t *self)
{
    zb_lsn_t stands = 0;
    if (self->copier && self->copier_phase < ZB_COPIER_COPIED)
        return false;
    if (self->role == FOLLOWING && self->live)
        stands = self->applied;
    else if (self->role != LEADING)
        return false;
    else if (self->link == ZB_LINK_LIVE)
        stands = self->reached;
    uint32_t from = ZB_LSN_FILE (stands);
    //  What the tables have in the log alone, a client keeps until its master has put it into them, or erased it.
    uint32_t needed = zb_tables_needs (self->tables);
    if (!self->ship)
        return zb_env_trim (self->env, UINT32_MAX, SIZE_MAX, needed);
    //  On a full disk a peer that is away is not waited for: it gets the whole store when it is back.
    return zb_env_trim (self->env, from ? from - 1 : 0, self->full ? 2 * self->args.log_file : self->args.log_keep,
                        needed);
}

//  The master was lost before this client was level with it.  Somebody asks what is here now, and may lead only by that:
//  the environment is opened anew, as at a start, and shows what has arrived.
static void s_stand_still (zb_replica_t *self)
{
    bool whole = self->folder == self->node.current;
    if (!(whole ? zb_replica_open (self, self->folder) : s_abandon_resync (self)))
        return;
    zb_ship_act (self->ship, ZB_SHIP_CLIENT, zb_replica_generation (self));
    if (zb_tables_open (self->tables, self->env, false))
        zb_replica_read_waiting (self);
}

void zb_replica_tick (zb_replica_t *self)
{
    int64_t now = zclock_mono ();
    if (self->ship)
        zb_replica_tick_link (self, now);
    if (self->role == FOLLOWING && self->ship && zb_ship_session (self->ship) == 0 && zlist_size (self->reads) > 0 &&
        !zb_tables_are_open (self->tables) && zb_replica_sound (self))
        s_stand_still (self);
    if (self->args.shared)
        zb_replica_share_tick (self, now);
    if ((self->role == LEADING || self->live) && self->trickled != self->written + self->applied) {
        self->trickled = self->written + self->applied;
        zb_env_trickle (self->env);
    }
    if (self->role == LEADING && (self->full || now - self->looked >= CHECKPOINT_LOOK)) {
        self->looked = now;
        bool due = now - self->checkpointed >= CHECKPOINT_EVERY;
        if (due)
            self->checkpointed = now;
        //  What a checkpoint has passed can be removed; on a full disk consumers live on that.
        s_checkpoint (self, due ? 0 : self->full ? CHECKPOINT_FULL : CHECKPOINT_KBYTES);
    }
    if (zb_replica_sound (self))
        zb_replica_tick_backup (self);
    if (zb_replica_sound (self) && now >= self->trim)
        self->trim = now + (s_trim (self) ? (self->full ? 0 : TRIM_AGAIN) : self->full ? TRIM_FULL : TRIM_EVERY);
    if (zb_replica_sound (self) && now - self->measured >= SPACE_EVERY) {
        self->measured = now;
        if (self->env)
            zb_env_in_place (self->env);
        s_measure_space (self);
    }
    zb_replica_sound (self);
}
