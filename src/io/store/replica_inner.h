/*  =========================================================================
    replica_inner - what the files of the class replica share

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    replica.c has the life, the commands and the roles, replica_link.c what comes over
    the link, replica_shared.c what a shared store does instead, replica_backup.c what a backup takes.  Nobody else includes
    this.
*/

#ifndef ZB_REPLICA_INNER_H_INCLUDED
#define ZB_REPLICA_INNER_H_INCLUDED

#include <czmq.h>

#include "core/pair/pace.h"
#include "io/base/log.h"
#include "io/store/copier.h"
#include "io/store/env.h"
#include "io/store/home.h"
#include "io/store/inflight.h"
#include "io/store/replica.h"
#include "io/store/shared.h"
#include "io/store/ship.h"
#include "io/store/tables.h"

typedef enum { RESTING, FOLLOWING, LEADING, DIVERGED, TAKING } zb_replica_role_t;

struct zb_replica {
    zb_store_args_t args;
    zb_replica_post_fn *post;
    void *arg;
    bool failed;
    zb_home_t *home;
    zb_node_t node;
    uint64_t folder; //  the environment in use; node.current, or a resync's
    bool touched;    //  a master has written to it
    bool opening;    //  it is being opened
    zb_env_t *env;
    zb_tables_t *tables;
    zb_ship_t *ship;
    zb_replica_role_t role;
    zlist_t *reads; //  wait until the tables can be read again

    //  As a client.
    bool rollback;      //  what this store has and the master lacks may go: the master that was refused,
    uint32_t refused;   //  with this generation; 0: the next one.  Another one may lack something else
    bool live; //  level with the master of this session
    bool granted;
    uint64_t granted_epoch;         //  the master's newest epoch when it granted that
    uint32_t generation;            //  the master's
    zb_lsn_t applied, acked;        //  newest commit applied, and told to the master
    zb_lsn_t end;                   //  of the master's log
    zb_lsn_t base;                  //  of ours, when the session began
    uint64_t whole;                 //  bytes of the master's store
    int64_t fed, poked, progressed; //  when: a record came, we asked, we told

    //  As a master.
    zb_link_t link;
    zb_lsn_t reached;              //  newest position that the peer has acked in this session
    uint64_t written, here, there; //  commits
    zb_inflight_t inflight;
    zb_lsn_t theirs, theirs_first; //  end of the peer's log, now and as it was told first in this session
    zb_lsn_t logged; //  our newest commit
    zb_pace_t pace;
    bool streams;    //  new records go to the peer at once; one that is behind asks for them
    uint64_t owed;   //  bytes of a resync's answers that are not paid for by time or by what was stored,
    zb_lsn_t stored; //  up to here when that was reckoned,
    int64_t reckoned, sized; //  when; and when our size was told

    //  Of a shared store.
    zb_fs_t fs;
    zb_holder_t holder; //  what the lock's file says
    bool held;
    int unread; //  errno of the last look, 0 if it went well
    pid_t fence;                         //  its process; 0 if none runs
    int64_t lead_at, open_at;            //  when we were told to lead; not to open before
    uint64_t heard; //  the newest epoch that the peer was heard to have raised, as we were told then
    int64_t took, confirmed, lock_looked; //  ms; when: the lock was ours, we looked at it

    zb_copier_t *copier;     //  a backup is made; else NULL
    uint64_t serial;         //  which one
    uint64_t history;        //  rises with whatever may take commits back, or end the environment,
    uint64_t history_copied; //  and was so when the backup began
    uint64_t copied;         //  bytes, as was told last,
    uint64_t to_copy;        //  of about so many
    zb_copier_phase_t copier_phase;

    int64_t looked, checkpointed, measured;
    uint64_t space;    //  free bytes when it was measured; UINT64_MAX: not known
    uint64_t trickled; //  what was written and applied when pages trickled last: an idle store has none
    int64_t trim; //  when to look next for log files that nobody needs
    bool full;
};

//  An event with what is known of the pair; the same, posted; with all rows of the meta table, posted.
zb_store_event_t *zb_replica_event (zb_replica_t *self, zb_store_kind_t kind);
void zb_replica_post (zb_replica_t *self, zb_store_kind_t kind);
void zb_replica_post_meta (zb_replica_t *self, zb_store_kind_t kind);
//  Ends it all: posts FAILED; takes the text.
void zb_replica_fail (zb_replica_t *self, int code, char *text);
//  The same for something that could not be done because of an error of the system, which decides the code.  Returns false.
bool zb_replica_refused (zb_replica_t *self, int error, const char *format, ...) CHECK_PRINTF (3);
//  Returns whether all is well; the first time that it is not, FAILED goes out.
bool zb_replica_sound (zb_replica_t *self);

//  Opens environment N in place of the one that is open.
bool zb_replica_open (zb_replica_t *self, uint64_t number);
//  The same for a new one, which is empty and may be filled by a full resync.  The node's file names it before it is there.
bool zb_replica_open_new (zb_replica_t *self);
//  The store in this folder is whole from now on, and the one that counts.
bool zb_replica_complete (zb_replica_t *self);
uint32_t zb_replica_generation (zb_replica_t *self);
//  Answers the reads that had to wait.
void zb_replica_read_waiting (zb_replica_t *self);

//  Change what is known, and post that.
void zb_replica_set_granted (zb_replica_t *self, bool granted);
void zb_replica_set_link (zb_replica_t *self, zb_link_t link);

//  Becomes master with a generation above the peer's, and opens the tables.
bool zb_replica_take_lead (zb_replica_t *self);
//  Fetches everything anew, into a folder of its own.
void zb_replica_start_over (zb_replica_t *self);
//  Going on would throw away what must not go without the role's consent: rests, readable, until it comes.
void zb_replica_diverge (zb_replica_t *self);

//  Reads the node's own file and clears what a resync that did not finish has left.  False after a failure.
bool zb_replica_load_node (zb_replica_t *self);
//  Writes that file; FAILED if that is impossible.
bool zb_replica_save_node (zb_replica_t *self);

//  A shared store: the start, and the commands and the tick that are different from a replicated one's.
void zb_replica_share (zb_replica_t *self);
void zb_replica_share_lead (zb_replica_t *self, uint64_t heard);
void zb_replica_share_follow (zb_replica_t *self);
void zb_replica_share_read (zb_replica_t *self, zb_read_t *read);
void zb_replica_share_tick (zb_replica_t *self, int64_t now);
//  As the holder: ends the process unless the lock is ours; with `renew` it is written, too.
void zb_replica_confirm_lock (zb_replica_t *self, bool renew);
//  The store is closed: gives the lock back.
void zb_replica_release (zb_replica_t *self);

//  As a master with a peer: this commit was written.
void zb_replica_wrote (zb_replica_t *self, uint64_t commit);
//  What is due of a backup that is being made.
void zb_replica_tick_backup (zb_replica_t *self);
//  Ends it, if one is being made.
void zb_replica_end_backup (zb_replica_t *self, const char *why);
//  What is due on the link.
void zb_replica_tick_link (zb_replica_t *self, int64_t now);

#endif
