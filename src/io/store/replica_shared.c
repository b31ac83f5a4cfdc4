/*  =========================================================================
    replica_shared - a store that both brokers of a pair share

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One opener, always: the lock comes before everything, and at the first sign that it
    is not ours the process ends, with nothing closed and nothing written.
*/

#include "core/base/lineage.h"
#include "io/base/exit_codes.h"
#include "io/base/log.h"
#include "io/store/moment.h"
#include "io/store/replica_inner.h"

#define LOOK_EVERY 250 //  ms between looks at the lock

static zb_lock_t *s_lock (zb_replica_t *self)
{
    return zb_home_lock (self->home);
}

static void s_post_lock (zb_replica_t *self, zb_store_kind_t kind, char *text)
{
    zb_store_event_t *event = zb_replica_event (self, kind);
    event->text = text;
    event->holder = self->holder;
    event->held = self->held;
    event->took = self->took;
    self->post (self->arg, event);
}

//  ---------------------------------------------------------------------------
//  The lock of another one

//  The lock's file is not there: makes it, unless the store is gone, too.  Then its file system may not be mounted any
//  more.
static bool s_make_anew (zb_replica_t *self, const zb_holder_t *was)
{
    bool used = zb_home_used (self->args.dir);
    if (used || was->epoch == 0)
        return zb_lock_make (s_lock (self), ZB_KIND_SHARED, used) == 0;
    errno = ENOENT;
    return false;
}

//  Looks at the lock.  Whoever can't read it has to take it for held.  Returns whether something is new.
static bool s_look (zb_replica_t *self)
{
    zb_holder_t was = self->holder;
    bool was_held = self->held;
    int was_unread = self->unread;
    self->lock_looked = zclock_mono ();
    int rc = zb_lock_look (s_lock (self), &self->holder, &self->held);
    if (rc != 0 && errno == ENOENT && s_make_anew (self, &was))
        rc = zb_lock_look (s_lock (self), &self->holder, &self->held);
    self->unread = rc == 0 ? 0 : errno;
    if (rc != 0)
        self->held = true;
    return self->unread != was_unread || self->held != was_held || self->holder.epoch != was.epoch ||
           self->holder.state != was.state || self->holder.pid != was.pid ||
           memcmp (self->holder.store, was.store, ZB_LOCK_ID_SIZE) != 0;
}

//  Says what the last look has found.
static void s_tell_lock (zb_replica_t *self)
{
    char *text = NULL;
    if (self->unread)
        text = zsys_sprintf ("waiting: %s/LOCK can't be read: %s", self->args.dir,
                             self->unread == EBADMSG
                                 ? "it is not what a broker has written; if no broker uses this store, "
                                   "remove the file"
                             : self->unread == ENOENT ? "the store is not there any more: is its file system mounted?"
                                                      : zb_moment_text (self->unread));
    s_post_lock (self, ZB_STORE_LOCK, text);
}

//  What the folder must offer; FAILED if it does not.
static bool s_is_fit (zb_replica_t *self)
{
    const char *dir = self->args.dir;
    if (zb_fs_look (&self->fs, dir) != 0) {
        return zb_replica_refused (self, errno, "can't look at %s", dir);
    }
    if (self->fs.unfit) {
        zb_replica_fail (self, ZB_EXIT_USAGE,
                         zsys_sprintf ("%s (%s) can't hold a shared store: %s", dir, self->fs.type, self->fs.unfit));
        return false;
    }
    char *lie = zb_shared_probe (dir);
    if (lie) {
        zb_replica_fail (self, ZB_EXIT_USAGE,
                         zsys_sprintf ("%s (%s) can't hold a shared store: %s", dir, self->fs.type, lie));
        free (lie);
        return false;
    }
    if (self->fs.kind != ZB_FS_NETWORK || self->args.fence || self->args.unfenced_ok)
        return true;
    zb_replica_fail (
        self, ZB_EXIT_USAGE,
        zsys_sprintf ("%s lies on a network file system (%s), where a lock can't stop the writes of a process "
                      "that was only stopped: set store/fence to a command that does, or store/unfenced-ok "
                      "= yes to take the risk",
                      dir, self->fs.type));
    return false;
}

void zb_replica_share (zb_replica_t *self)
{
    if (!s_is_fit (self))
        return;
    if (self->fs.kind == ZB_FS_NETWORK && !self->args.fence)
        zb_log (ZB_LOG_WARNING,
                "%s lies on a network file system (%s), and there is no fence: a process that is stopped "
                "while it writes, and goes on after a takeover, can damage the store",
                self->args.dir, self->fs.type);
    self->node.complete = true;
    s_look (self);
    zb_store_event_t *event = zb_replica_event (self, ZB_STORE_OPENED);
    event->holder = self->holder;
    event->held = self->held;
    event->fresh = self->holder.epoch == 0;
    self->post (self->arg, event);
}

void zb_replica_share_read (zb_replica_t *self, zb_read_t *read)
{
    if (self->role != TAKING) {
        s_look (self);
        s_tell_lock (self);
    }
    zb_store_event_t *event = zb_replica_event (self, ZB_STORE_READ);
    event->read = read;
    self->post (self->arg, event);
}

//  ---------------------------------------------------------------------------
//  Taking over

//  The takeover ends here; takes the text.
static void s_deny (zb_replica_t *self, char *text)
{
    if (self->fence)
        zb_fence_kill (self->fence);
    self->fence = 0;
    zb_lock_drop (s_lock (self));
    self->role = RESTING;
    s_look (self);
    s_post_lock (self, ZB_STORE_DENIED, text);
    if (self->unread)
        s_tell_lock (self);
}

//  The newest epoch in the database.
static uint64_t s_newest_epoch (zb_replica_t *self)
{
    zb_lineage_t lineage = {0};
    zb_read_t *read = zb_read_new (0, 0);
    zb_read_add (read, ZB_META, "lineage", 7, 7, 1, SIZE_MAX);
    if (zb_tables_read (self->tables, read) && read->count[0] == 1)
        zb_lineage_decode (&lineage, read->found[0][0].row->data, read->found[0][0].row->size);
    zb_read_destroy (&read);
    return zb_lineage_newest (&lineage).number;
}

//  Puts our name into the lock's file, with an epoch above all that were there.
static bool s_sign (zb_replica_t *self, uint64_t epoch)
{
    if (zb_lock_sign (s_lock (self), ZB_KIND_SHARED, epoch, ZB_LOCK_HELD) == 0)
        return true;
    s_deny (self, zsys_sprintf ("can't write %s/LOCK: %s", self->args.dir, strerror (errno)));
    return false;
}

//  The last holder could not write or sync something, and ended.  What the page cache shows of that may not be on the disk,
//  and count as clean: recovery would build on it, and no later sync would bring it there.  So all is written again and
//  synced first: then what recovery reads is what the disk holds.
static bool s_write_again (zb_replica_t *self)
{
    int64_t begun = zclock_mono (), size = zb_home_rewrite (self->home, self->node.current);
    if (size < 0) {
        return zb_replica_refused (self, errno, "a sync of the shared store failed before, and %s can't be written again",
                                   zb_home_env (self->home, self->node.current));
    }
    zb_log (ZB_LOG_WARNING,
            "a sync of the shared store failed before: all of it was written again and synced, %" PRIi64
            " MiB in %" PRIi64 " ms",
            size >> 20, zclock_mono () - begun);
    self->node.suspect = false;
    return zb_replica_save_node (self);
}

//  What an errno of zb_lock_check means.
static const char *s_lock_text (int error)
{
    return error == ESTALE    ? "the file was removed or replaced"
           : error == EBADMSG ? "somebody else has written into the file"
           : error == ENOLCK  ? "the file system has forgotten it"
                              : zb_moment_text (error);
}

//  Whether the lock is ours still, and was all the time since then, or was nobody's: this process may have been stopped
//  while the fence ran, for longer than a network file system keeps a lock for it.  Else the takeover ends.
static bool s_still_ours (zb_replica_t *self, int64_t since)
{
    const char *why = zb_lock_check (s_lock (self)) != 0 ? s_lock_text (errno) : NULL;
    if (!why && self->fs.kind == ZB_FS_NETWORK && zclock_mono () - since > self->args.lease)
        why = "this process stood still for longer than the lease";
    if (why)
        s_deny (self, zsys_sprintf ("the lock on the shared store, %s/LOCK, was lost before the store was opened: %s",
                                    self->args.dir, why));
    return !why;
}

//  Recovers and opens the database.  The file says epoch 0 until there is one.  Whoever has the lock next, once our name
//  is in the file, runs its fence for us first: so the lock is looked at on both sides of the signing.
static void s_open (zb_replica_t *self)
{
    const char *dir = self->args.dir;
    //  A file that was made anew has begun to count again, and what the peer has raised last need not be in the database.
    uint64_t before = zb_lock_holder (s_lock (self))->epoch;
    uint64_t epoch = (before < self->heard ? self->heard : before) + 1;
    bool used = zb_home_used (dir);
    if (before && !used) {
        s_deny (self,
                zsys_sprintf ("%s/LOCK is that of a store that is not there: is its file system mounted? To begin "
                              "with an empty store, remove the file",
                              dir));
        return;
    }
    int64_t begun = zclock_mono ();
    if (!s_still_ours (self, begun) || !s_sign (self, used ? epoch : 0) || !s_still_ours (self, begun))
        return;
    if (!zb_replica_load_node (self))
        return;
    bool empty = self->node.current == 0;
    if (self->node.suspect && !empty && !s_write_again (self))
        return;
    if (!(empty ? zb_replica_open_new (self) : zb_replica_open (self, self->node.current)))
        return;
    if (!zb_tables_open (self->tables, self->env, true) && !zb_env_fault (self->env))
        zb_env_fail (self->env, EINVAL, "opening the tables");
    zb_tables_keep (self->tables, false);
    if (!zb_replica_sound (self) || (!self->node.complete && !zb_replica_complete (self)))
        return;
    self->role = LEADING;
    self->written = self->here = self->there = 0;
    self->checkpointed = self->looked = zclock_mono ();
    uint64_t newest = s_newest_epoch (self);
    epoch = newest < epoch ? epoch : newest + 1;
    if (zb_lock_holder (s_lock (self))->epoch != epoch &&
        zb_lock_sign (s_lock (self), ZB_KIND_SHARED, epoch, ZB_LOCK_HELD) != 0)
        zb_env_fail (self->env, errno, "writing the lock's file");
    if (!zb_replica_sound (self))
        return;
    zb_replica_confirm_lock (self, true);
    self->holder = *zb_lock_holder (s_lock (self));
    self->held = true;
    self->took = zclock_mono () - self->lead_at;
    zb_log (ZB_LOG_INFO, "took the shared store over in %" PRIi64 " ms, %" PRIi64 " of them recovery; epoch %" PRIu64,
            self->took, zclock_mono () - begun, self->holder.epoch);
    s_post_lock (self, ZB_STORE_LOCK, NULL);
    zb_replica_post_meta (self, ZB_STORE_LED);
    zb_replica_sound (self);
}

//  With the lock: opens as soon as nobody can be writing any more.
static void s_go_on (zb_replica_t *self, int64_t now)
{
    char *error;
    if (self->fence) {
        if (!zb_fence_done (self->fence, &error))
            return;
        self->fence = 0;
        if (error) {
            char *text = zsys_sprintf ("the fence, store/fence = %s, failed: %s. The store was not opened",
                                       self->args.fence, error);
            free (error);
            s_deny (self, text);
            return;
        }
    }
    if (now >= self->open_at)
        s_open (self);
}

void zb_replica_share_lead (zb_replica_t *self, uint64_t heard)
{
    assert (self->role == RESTING);
    self->heard = heard;
    self->lead_at = zclock_mono ();
    if (zb_lock_take (s_lock (self)) != 0) {
        bool held = errno == EAGAIN;
        s_deny (self, held ? NULL : zsys_sprintf ("can't lock %s/LOCK: %s", self->args.dir, zb_moment_text (errno)));
        return;
    }
    self->role = TAKING;
    self->confirmed = 0;
    self->open_at = self->lead_at;
    const zb_holder_t *before = zb_lock_holder (s_lock (self));
    //  Whoever held the file that is gone learns of it within its lease.
    if (before->state == ZB_LOCK_LOST)
        self->open_at += self->args.lease;
    //  A process that died on this very machine writes no more.
    if (self->args.fence && before->state != ZB_LOCK_RELEASED && !zb_holder_is_here (before)) {
        const char *why = zb_fence_refuses (before->host, self->args.endpoint);
        if (why) {
            s_deny (self, zsys_sprintf ("%s/LOCK names '%s' as its last holder's machine, and %s: the fence was not run, "
                                        "and the store not opened. See WAYS OUT in zbroker(1)",
                                        self->args.dir, before->host, why));
            return;
        }
        zb_log (ZB_LOG_NOTICE, "the fence for %s, process %ld: %s", before->host, before->pid, self->args.fence);
        self->fence = zb_fence_start (self->args.fence, before, self->args.dir);
        if (self->fence < 0) {
            self->fence = 0;
            s_deny (self, zsys_sprintf ("the fence can't be started: %s", zb_moment_text (errno)));
            return;
        }
    }
    s_go_on (self, self->lead_at);
}

void zb_replica_share_follow (zb_replica_t *self)
{
    self->history++;
    if (self->role == LEADING) {
        zb_replica_flush (self);
        if (!zb_replica_sound (self))
            return;
        zb_replica_confirm_lock (self, true);
        zb_tables_checkpoint (self->tables, 0);
        zb_tables_close (self->tables);
        if (!zb_replica_sound (self))
            return;
        zb_env_destroy (&self->env);
    }
    zb_replica_release (self);
    s_look (self);
    s_post_lock (self, ZB_STORE_LOCK, NULL);
    zb_replica_post (self, ZB_STORE_FOLLOWS);
}

//  ---------------------------------------------------------------------------
//  As the holder

void zb_replica_confirm_lock (zb_replica_t *self, bool renew)
{
    char *why = NULL;
    int code = ZB_EXIT_LOCK;
    int64_t now = zclock_mono ();
    if (self->fs.kind == ZB_FS_NETWORK && self->confirmed && now - self->confirmed > self->args.lease)
        why = zsys_sprintf ("it was not renewed for %" PRIi64 " ms, and the lease is %" PRIi64 " ms",
                            now - self->confirmed, self->args.lease);
    else if (zb_lock_confirm (s_lock (self), renew) != 0) {
        code = zb_moment_is (errno) ? ZB_EXIT_MOMENT : ZB_EXIT_LOCK;
        why = zsys_sprintf ("%s", s_lock_text (errno));
    }
    if (why) {
        zb_log (ZB_LOG_ERROR, "the lock on the shared store, %s/LOCK, %s: %s. This process ends at once",
                self->args.dir, code == ZB_EXIT_LOCK ? "is lost" : "can't be confirmed", why);
        zb_log_flush ();
        _exit (code);
    }
    if (renew)
        self->confirmed = now;
}

void zb_replica_release (zb_replica_t *self)
{
    zb_lock_t *lock = s_lock (self);
    if (self->fence)
        zb_fence_kill (self->fence);
    self->fence = 0;
    if (zb_lock_is_held (lock) && self->role == LEADING &&
        zb_lock_sign (lock, ZB_KIND_SHARED, zb_lock_holder (lock)->epoch, ZB_LOCK_RELEASED) != 0)
        zb_log (ZB_LOG_WARNING, "can't write %s/LOCK: %s", self->args.dir, strerror (errno));
    zb_lock_drop (lock);
    self->role = RESTING;
    self->confirmed = 0;
}

void zb_replica_share_tick (zb_replica_t *self, int64_t now)
{
    if (self->role == TAKING)
        s_go_on (self, now);
    else if (self->role == LEADING) {
        bool renew = now - self->confirmed >= self->args.lease / 3;
        zb_replica_confirm_lock (self, renew);
        if (renew)
            s_post_lock (self, ZB_STORE_LOCK, NULL);
    }
    //  That nobody has it is news each time: the peer may say that it serves.
    else if (now - self->lock_looked >= LOOK_EVERY && (s_look (self) || !self->held))
        s_tell_lock (self);
}
