/*  =========================================================================
    store - the store's thread as the rest of the broker sees it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One thread owns Berkeley DB's environment, the tables, the node's own file and
    the link to the peer.  Everything goes to it and comes from it as messages, in
    order; no function here waits for the disk.  Commands are executed in the order
    in which they were given: SAVE then COMMIT means that the file is on the disk
    before the transaction is made.

    A shared store is opened by whoever leads, and by nobody else: before LED and after
    FOLLOWS there is a lock to be looked at, and no database.  After LED the lock is confirmed
    to be ours before each SYNCED, and now and then; if it is not, the thread ends the
    process with ZB_EXIT_LOCK.

    At the start a paired store leads nothing and follows nothing: it announces itself
    to the peer and waits for zb_store_lead or zb_store_follow.

    Order of the events:
      start      OPENED (or FAILED, and nothing after it)
      lead       LED; the link counts as DOWN from here; GRANTED false if it was true;
                 then LINK SYNCING, LINK LIVE, LINK DOWN as the peer comes and goes,
                 SYNCED in between: `there` is 0 at each LINK SYNCING and rises from it
      lead       of a shared store: LED, or DENIED, and nothing was opened; LOCK at any time
      follow     FOLLOWS; per session of the link GRANTED false if it was true,
                 PROGRESS while it lasts, COMPLETE, then GRANTED true when the master
                 grants; or DIVERGED instead, and rest until the next command
    A commit of before LED is never reported: the first commit of the new lead covers
    all before it, here and there.
*/

#ifndef ZB_STORE_H_INCLUDED
#define ZB_STORE_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/batch.h"
#include "io/auth/keys.h"
#include "io/store/lock.h"
#include "io/store/node.h"

typedef struct {
    const char *dir;          //  the store's folder; made if absent (mode 0700)
    bool paired;              //  replicated; else a broker without a pair, or a shared store
    bool any;                 //  not paired: whosever folder it is, for programs that look at a store
    bool shared;              //  both brokers of a pair use this very folder
    const char *endpoint[2];  //  shared: the two brokers', as clients reach them; they outlive the store; or NULL
    const char *fence;        //  shared: the command that is run before the place of a holder that died is taken; or NULL
    bool unfenced_ok;         //  shared: do without one on a network file system
    int64_t lease;            //  shared, ms: so long after the lock was last seen to be ours nothing is answered
    unsigned node;            //  1 primary or single, 2 backup
    const char *bind;         //  where shipping listens, "tcp://*:5562"; NULL if not paired
    const char *peer;         //  the peer's, "tcp://host:5572"; NULL if not paired
    uint8_t key[32];          //  key of the link (seal.h)
    const zb_keys_t *keys;    //  of the link; borrowed, NULL = it is not encrypted
    struct zb_links *links;   //  told what comes through and what is refused; borrowed, may be NULL
    size_t cache;             //  bytes of Berkeley DB's cache
    size_t log_file;          //  bytes of one log file (32 MiB)
    size_t resync_rate;       //  bytes/s with which a master answers a client that catches up; 0 = no limit
    size_t log_keep;          //  bytes of log files kept for a peer that is away (1 GiB); beyond it resyncs in full
} zb_store_args_t;

typedef struct zb_store zb_store_t;

typedef enum {
    ZB_STORE_OPENED,   //  first event: lock held, recovered, a client of the pair (or the single master);
                       //  node, meta; fresh if it holds no data at all.  Not paired: master already
    ZB_STORE_FAILED,   //  `text` says why and what to do, `code` the exit code; the thread has ended, nothing
                       //  was closed or written; the process must exit
    ZB_STORE_SYNCED,   //  here, there: commits synced on this broker and on the peer
    ZB_STORE_READ,     //  read: done
    ZB_STORE_LED,      //  master now, generation above the peer's; meta as found
    ZB_STORE_FOLLOWS,  //  client now
    ZB_STORE_SAVED,    //  node: the node's file is on the disk
    ZB_STORE_LINK,     //  link: what is known of the peer over the shipping link has changed
    ZB_STORE_GRANTED,  //  as a client: granted is the flag `in sync` as it is now; true at every grant
    ZB_STORE_COMPLETE, //  as a client: the store has caught up (again); node, meta as found
    ZB_STORE_PROGRESS, //  text: what a resync is doing, done and total in bytes (total 0: not known yet)
    ZB_STORE_SPACE,    //  full: the disk is below its low-water mark, or no longer
    ZB_STORE_DIVERGED, //  as a client: catching up would throw away commits that the master lacks; nothing was
                       //  touched, and it stays so until zb_store_follow is called; meta as found, if it was
    ZB_STORE_BACKUP,   //  what the backup does that was asked for last: backup, done; text: NULL, or why it failed
    ZB_STORE_LOCK,     //  shared: holder, held: what is known of the lock has changed, or was asked for by a read;
                       //  after LED: it was confirmed again; text: NULL, or why nothing can be
                       //  known of it
    ZB_STORE_DENIED    //  shared, not LED: holder, held; text is NULL if the lock is held, else what went wrong
} zb_store_kind_t;

//  What a backup does.
typedef enum {
    ZB_BACKUP_NONE,
    ZB_BACKUP_COPYING,
    ZB_BACKUP_FINISHING,
    ZB_BACKUP_DONE,
    ZB_BACKUP_FAILED
} zb_backup_state_t;

//  The peer over the shipping link, as a master sees it.
typedef enum {
    ZB_LINK_DOWN,             //  no session
    ZB_LINK_SYNCING,          //  a session; the peer catches up and acks
    ZB_LINK_LIVE              //  the peer is a caught-up client of ours; `there` follows `here`
} zb_link_t;

typedef struct {
    zb_store_kind_t kind;
    int code;
    char *text;
    uint64_t here, there;
    uint64_t pace;            //  bytes of log a second that a peer which catches up can be run from; 0 = any
    int64_t resume;           //  when (zclock_mono) the next commit is welcome; 0 = at once
    zb_read_t *read;          //  the receiver may keep it and put NULL here; else it goes with the event
    zb_node_t node;
    zb_found_t *meta;         //  all rows of the meta table
    size_t metas;
    bool fresh;
    bool granted;
    uint64_t granted_epoch;   //  GRANTED, granted: the master's newest epoch when it granted that
    bool full;
    zb_link_t link;
    uint64_t session;         //  of the link; changes with every new one
    uint64_t generation;
    uint64_t done, total;
    zb_backup_state_t backup;
    uint64_t serial;          //  BACKUP: which one
    zb_holder_t holder;       //  shared: what the lock's file says
    bool held;                //  shared: somebody has the lock, be it this process
    int64_t confirmed;        //  shared, from LED on: when (zclock_mono) the lock was last seen to be ours
    int64_t took;             //  LED, shared: ms that taking the store over took
} zb_store_event_t;

void zb_store_event_destroy (zb_store_event_t **self_p);

//  Starts the thread.  Returns at once; the first event is OPENED or FAILED.
zb_store_t *zb_store_new (const zb_store_args_t *args);
//  Clean stop: finishes what was given, checkpoint, close.  Waits for the thread.  After FAILED it only gives back
//  memory (a panicked environment is never closed, so some of it stays): exit the process.
void zb_store_destroy (zb_store_t **self_p);
//  A ZeroMQ socket to poll for input; read events with zb_store_recv only.
void *zb_store_socket (zb_store_t *self);
//  The next event, NULL if there is none now.  The caller destroys it.
zb_store_event_t *zb_store_recv (zb_store_t *self);

//  One transaction, one log flush, shipped to the peer.  Borrowed until SYNCED with here >= its commit.  Only
//  after LED (or OPENED of a broker without a pair).
void zb_store_commit (zb_store_t *self, zb_batch_t *batch);
//  Executes a read; comes back as READ.  It sees all commits given before it, synced or not.  A client answers it when
//  it is level with its master (or has diverged, or leads): while it catches up there is nothing to read.  Of a shared
//  store that is not open it finds nothing; the event LOCK comes before it.
void zb_store_read (zb_store_t *self, zb_read_t *read);
//  Become the pair's master: as soon as what has arrived is applied, generation above the peer's (CLIENT, MASTER as
//  often as it takes).  Then LED.  Of a shared store: take the lock, run the fence, recover and open; its file gets an
//  epoch above `heard`, too, the newest one that the peer was heard to have raised: that one need not be in the database,
//  and this broker will raise its own above it.  LED or DENIED.
void zb_store_lead (zb_store_t *self, uint64_t heard);
//  Become (or stay) a client.  `rollback`: local commits that the master lacks may be rolled back, or a full resync into a
//  side folder may take the store's place.  It holds for the leadership with which this store has diverged, or for the
//  next one if it has with none; with another one DIVERGED comes again.  Of a shared store: close it and give the lock
//  back.
void zb_store_follow (zb_store_t *self, bool rollback);
//  Write the node's own file; `complete`, `suspect` and `current` in it are the store's own and ignored, and `level` never
//  falls.  Then SAVED.
void zb_store_save (zb_store_t *self, const zb_node_t *node);
//  As a master: tell the peer of this session that it is in sync, and that this is our newest epoch.
void zb_store_grant (zb_store_t *self, uint64_t session, uint64_t epoch);
//  Copy the store as it is at some moment from now on into this folder, at so many bytes a second (0: no limit), beside all
//  else (io/store/copier.h).  Only as a master, or as a client that is level with its master.  It ends in DONE or
//  FAILED, with FAILED also if the role, the link or the environment changes meanwhile, or the disk is full.  An empty
//  folder ends the one
//  that is being made.
void zb_store_backup (zb_store_t *self, uint64_t serial, const char *folder, uint64_t rate);
//  Time (monotonic ms, zclock_mono) of the last command or turn in which the store did what it should: the heartbeat
//  carries its age.  Any thread.
int64_t zb_store_alive (zb_store_t *self);
//  Free bytes of the disk, as the store saw it last (ten times a second); UINT64_MAX if that is not known.  Any thread.
uint64_t zb_store_space (zb_store_t *self);

#endif
