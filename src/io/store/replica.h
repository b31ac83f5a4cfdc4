/*  =========================================================================
    replica - this node's copy of the store, and its part in the pair

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Brings together the folder, the node's own file, the environment, the tables and
    the link.  The store's thread turns its commands into calls here; what happens
    goes out as the store's events.

                        follow                 session         level with the master
      RESTING  ------------------> FOLLOWING ----------> syncing ------------> live
         |                          |  ^  ^                 |  no common log, or
         | lead                lead |  | follow             |  a tail that must not go
         +-----------> LEADING <----+  |                    v
                          |            +-------------- DIVERGED (follow with rollback)
                          +------------^

    A full resync goes to a folder of its own and the old environment stays untouched
    until all has arrived; then the node's file names the new one, and the old goes.

    A shared store knows three: RESTING, with a look at the lock now and then; TAKING, with
    the lock and behind the fence; LEADING, with the database open (replica_shared.c).

    Thread: the store's.  After a fault (zb_replica_failed) nothing is called but
    zb_replica_destroy, which then closes nothing.
*/

#ifndef ZB_REPLICA_H_INCLUDED
#define ZB_REPLICA_H_INCLUDED

#include "io/store/store.h"

typedef struct zb_replica zb_replica_t;

//  Takes the event.
typedef void (zb_replica_post_fn) (void *arg, zb_store_event_t *event);

//  Opens all; posts OPENED or FAILED.  Never returns NULL: look at zb_replica_failed.  The texts are borrowed.
zb_replica_t *zb_replica_new (const zb_store_args_t *args, zb_replica_post_fn *post, void *arg);
//  Clean stop: flush, checkpoint, close.
void zb_replica_destroy (zb_replica_t **self_p);
//  Whether it has posted FAILED.
bool zb_replica_failed (const zb_replica_t *self);
//  Free bytes of the disk when it was looked at last; UINT64_MAX if that is not known.
uint64_t zb_replica_space (const zb_replica_t *self);

//  The commands of store.h.  Commits are on the disk after zb_replica_flush, which posts SYNCED.
void zb_replica_commit (zb_replica_t *self, const zb_batch_t *batch);
void zb_replica_flush (zb_replica_t *self);
void zb_replica_read (zb_replica_t *self, zb_read_t *read);
void zb_replica_lead (zb_replica_t *self, uint64_t heard);
void zb_replica_follow (zb_replica_t *self, bool rollback);
void zb_replica_save (zb_replica_t *self, const zb_node_t *node);
void zb_replica_grant (zb_replica_t *self, uint64_t session, uint64_t epoch);
void zb_replica_backup (zb_replica_t *self, uint64_t serial, const char *folder, uint64_t rate);

//  The link's sockets, to be polled; NULL if not paired.
void *zb_replica_socket (zb_replica_t *self);
void *zb_replica_monitor (zb_replica_t *self);
//  ms until the link is worth looking at again; 0: it is now.
int64_t zb_replica_pause (const zb_replica_t *self);
//  Takes what has arrived, at most one burst of it; then syncs and acks.  Returns true if there may be more.
bool zb_replica_receive (zb_replica_t *self);
//  What is due: heartbeats of the link, checkpoint, old log files, free space.  At least every 50 ms.
void zb_replica_tick (zb_replica_t *self);

#endif
