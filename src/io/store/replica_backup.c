/*  =========================================================================
    replica_backup - what a backup takes of the store's thread

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The copier works beside it.  This thread keeps the log, says where the copy ends, and looks whether what is
    copied is one history: a client's log may be rolled back, and an environment replaced, and either is told by
    `history`.
*/

#include "io/store/moment.h"
#include "io/store/replica_inner.h"

#define TELL_EVERY (4 << 20) //  bytes between two events

static void s_tell (zb_replica_t *self, zb_backup_state_t state, uint64_t done, char *text)
{
    zb_store_event_t *event = zb_replica_event (self, ZB_STORE_BACKUP);
    event->backup = state;
    event->serial = self->serial;
    event->done = done;
    event->total = self->to_copy;
    event->text = text;
    self->post (self->arg, event);
}

//  Why there can be none now; NULL if there can.
static const char *s_refused (const zb_replica_t *self)
{
    if (self->role == LEADING)
        return self->full ? "the disk is nearly full" : NULL;
    if (self->args.shared)
        return "the active broker has the store open: ask that one";
    if (self->role == DIVERGED)
        return "this broker holds what the other one lacks, and waits to replay that";
    if (self->role != FOLLOWING || !self->live || !self->granted)
        return "this broker is not in sync with the active one";
    return self->full ? "the disk is nearly full" : NULL;
}

//  Where the log of a copy that begins now begins: 0 if that can't be told.
static uint32_t s_begin (zb_replica_t *self)
{
    uint32_t log = zb_env_needed (self->env), needed = zb_tables_needs (self->tables);
    log = needed < log ? needed : log;
    //  A client has its master's.
    if (log && self->role == LEADING && !zb_tables_checkpoint (self->tables, 0))
        return 0;
    return zb_replica_sound (self) ? log : 0;
}

void zb_replica_backup (zb_replica_t *self, uint64_t serial, const char *folder, uint64_t rate)
{
    zb_replica_end_backup (self, *folder ? "another one was asked for" : "ended by an operator");
    if (!*folder)
        return;
    self->serial = serial;
    const char *why = s_refused (self);
    if (!why && self->args.shared)
        zb_replica_confirm_lock (self, false);
    uint32_t log = why ? 0 : s_begin (self);
    if (!zb_replica_sound (self))
        return;
    if (log) {
        char *home = strdup (zb_home_env (self->home, self->folder));
        assert (home);
        zb_copier_args_t args = {.home = home, .folder = folder, .rate = rate, .log = log};
        args.as = self->args.shared || !self->args.paired ? "single" : zb_node_name (self->args.node);
        self->copier = zb_copier_new (&args);
        free (home);
    }
    self->history_copied = self->history;
    self->copied = 0;
    self->to_copy = self->copier ? zb_home_size (self->home, self->folder) : 0;
    self->copier_phase = ZB_COPIER_TABLES;
    if (self->copier)
        s_tell (self, ZB_BACKUP_COPYING, 0, NULL);
    else
        s_tell (self, ZB_BACKUP_FAILED, 0,
                strdup (why   ? why
                        : log ? zb_moment_text (errno)
                              : "the log can't be kept now: try again"));
}

void zb_replica_end_backup (zb_replica_t *self, const char *why)
{
    if (!self->copier)
        return;
    zb_copier_stop (self->copier, why);
    zb_replica_tick_backup (self);
}

//  Everything up to the end of the log is on the disk: that is where the copy ends.
static void s_end (zb_replica_t *self)
{
    zb_lsn_t end = zb_env_flush (self->env) ? zb_env_end (self->env) : 0;
    if (end)
        zb_copier_end (self->copier, end);
}

void zb_replica_tick_backup (zb_replica_t *self)
{
    if (!self->copier)
        return;
    uint64_t done;
    zb_copier_phase_t phase = zb_copier_phase (self->copier, &done);
    //  Until it is done: the copy has files of our log, and a log that is rolled back is cut.
    if (self->history != self->history_copied && phase < ZB_COPIER_DONE)
        zb_copier_stop (self->copier, "the pair's roles, or its link, changed meanwhile: begin anew");
    else if (self->full && phase < ZB_COPIER_COPIED)
        zb_copier_stop (self->copier, "the disk is nearly full, and a backup keeps its log");
    phase = zb_copier_phase (self->copier, &done);
    if (phase == ZB_COPIER_ENDING)
        s_end (self);
    else if (phase == ZB_COPIER_COPIED && self->history == self->history_copied)
        zb_copier_finish (self->copier);
    if (phase == ZB_COPIER_DONE || phase == ZB_COPIER_FAILED) {
        char *why = phase == ZB_COPIER_FAILED ? zb_copier_why (self->copier) : NULL;
        zb_copier_destroy (&self->copier);
        s_tell (self, why ? ZB_BACKUP_FAILED : ZB_BACKUP_DONE, done, why);
    }
    else if (phase != self->copier_phase || done - self->copied >= TELL_EVERY) {
        self->copier_phase = phase;
        self->copied = done;
        s_tell (self, phase == ZB_COPIER_FINISHING ? ZB_BACKUP_FINISHING : ZB_BACKUP_COPYING, done, NULL);
    }
}
