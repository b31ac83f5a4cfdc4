/*  =========================================================================
    env - one environment of Berkeley DB: recovery, log, replication

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Thread: all functions from the one thread that made it; none while a cursor or a
    transaction is open (Berkeley DB would wait for it for ever).

    Errors: after one that the environment does not survive (I/O error, disk full at
    the log, panic) zb_env_fault says why, every function returns at once without
    touching Berkeley DB again, and zb_env_destroy closes nothing: the process has
    to exit.  A failed fsync is never tried again.

    Master and client are Berkeley DB's words: the master's transactions are shipped
    to the client, which applies them.  `eid`s are the nodes' numbers, 1 and 2.
*/

#ifndef ZB_ENV_H_INCLUDED
#define ZB_ENV_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

//  A position in the log, file << 32 | offset: comparable within one history, 0 is before everything.
typedef uint64_t zb_lsn_t;

#define ZB_LSN_FILE(lsn) ((uint32_t) ((lsn) >> 32))

typedef struct zb_env zb_env_t;

//  Called from inside Berkeley DB with a message for the peer; `fresh`: it is a record that was just written to the log,
//  which a peer that does not get it will ask for.  Copies what it keeps, does not block, calls nothing of this class.
typedef void (zb_env_send_fn) (void *arg, bool fresh, const void *control, size_t control_size, const void *record,
                               size_t record_size);

typedef struct {
    const char *home; //  the environment's folder; it exists
    bool paired;
    bool shared; //  other machines see the folder: nothing of this process's memory may lie in it
    bool fatal;  //  recovery goes through the whole log: a copy, whose pages may be older than the newest checkpoint
    unsigned node; //  1 or 2
    bool rollback; //  as a client: commits that the master lacks may be rolled back
    bool init;     //  as a client: everything may be deleted and fetched anew.  Only where nothing is lost
    size_t cache;
    size_t log_file;
    zb_env_send_fn *send; //  paired only
    void *arg;
} zb_env_args_t;

//  Opens with recovery.  Never returns NULL: look at zb_env_fault.
zb_env_t *zb_env_new (const zb_env_args_t *args);
//  Closes; with a fault it leaves all as it is.  Tables must be closed.
void zb_env_destroy (zb_env_t **self_p);

//  NULL while all is well, else what happened.
const char *zb_env_fault (const zb_env_t *self);
//  Whether the fault was an I/O error: what an fsync has lost is unknown, so what is on the disk is not to be trusted.
bool zb_env_suspect (const zb_env_t *self);
//  Whether a checksum said so, of a page or of a record of the log, or a file's first bytes; or what a row names in the log is
//  not there: nothing else is called damage.
bool zb_env_damaged (const zb_env_t *self);
//  The error of the system that the fault came from; 0 if it is Berkeley DB's own.
int zb_env_cause (const zb_env_t *self);
//  Records a fault that another class of the store met, as Berkeley DB's error number and what was tried.
void zb_env_fail (zb_env_t *self, int error, const char *what);

//  Becomes a client, or stays one and asks the master for what is missing (to be repeated on silence).
void zb_env_follow (zb_env_t *self);
//  Becomes master with a generation above `above` and of the node's own parity, so that two nodes never lead with the
//  same one; cycles client, master as often as that takes.  A fault if `above` is more than ZB_GENERATION_REACH above
//  ours, or the generation does not rise.  Tables must be closed.
void zb_env_lead (zb_env_t *self, uint32_t above);
//  Changes what zb_env_args_t said.  It holds from the next session on: what was refused is not taken up again.
void zb_env_allow (zb_env_t *self, bool rollback, bool init);

typedef enum {
    ZB_ENV_NOTHING, //  done, or dropped
    ZB_ENV_APPLIED, //  everything up to `lsn` is applied; durable after zb_env_flush
    ZB_ENV_QUEUED,  //  the commit at `lsn` waits for what precedes it, or is a duplicate
    ZB_ENV_IGNORED, //  of an old generation
    ZB_ENV_DUAL,    //  the peer is a master, too
    ZB_ENV_NO_LOG,  //  the master has no log that goes back as far as ours
    ZB_ENV_DIVERGED //  commits that the master lacks would have to be rolled back
} zb_env_outcome_t;

//  Gives a message from the peer to Berkeley DB.  It trusts its messages: only what the seal has proved may get here.
zb_env_outcome_t zb_env_process (zb_env_t *self, const void *control, size_t control_size, const void *record,
                                 size_t record_size, zb_lsn_t *lsn);

//  Syncs the log.  Returns true when everything committed or applied is on the disk, false on a fault, or if a resync
//  that is going on does not allow it now.  What was synced counts only if it can be found again: see zb_env_in_place.
bool zb_env_flush (zb_env_t *self);
//  Looks whether the folder is still the one that was opened, and the newest log file in it.  If somebody has removed or
//  replaced them, that is a fault: what is written from then on goes with this process.  To be called now and then.
bool zb_env_in_place (zb_env_t *self);
//  Writes all changed pages: after a resync, before the store is called complete.
void zb_env_sync (zb_env_t *self);

typedef struct {
    uint32_t generation;
    bool follows;     //  a client that knows its master
    bool caught_up;   //  has been level with this master once; later gaps show as lacking acks
    zb_lsn_t applied; //  newest commit applied (client) or made (master)
    uint64_t pages;   //  pages received by a resync
} zb_env_status_t;

void zb_env_status (zb_env_t *self, zb_env_status_t *status);
//  Position of the newest commit or checkpoint that was sent to the peer.
zb_lsn_t zb_env_sent (const zb_env_t *self);
//  How far the newest answer to the peer's requests for log went: about the end of its last record; 0 if none was given.
zb_lsn_t zb_env_answered (const zb_env_t *self);

//  Checkpoint once `kbytes` of log were written since the last one (0: if anything was).  Returns false if the disk is
//  full: it can be tried again.  On a client it does nothing: the master's checkpoints arrive.
bool zb_env_checkpoint (zb_env_t *self, uint32_t kbytes);
//  To be called often on an environment that changes: keeps few changed pages in memory, by writing the others and
//  starting their way to the disk, so that a checkpoint finds little to write and to wait for.  Takes some ms at most.
void zb_env_trickle (zb_env_t *self);
//  Removes the oldest log file if recovery does not need it and it is older than file `from`, or makes the log longer
//  than `keep` bytes; never `needed`, and none behind it.  A client then may need a full resync.  Returns whether it did: there
//  may be more, but a removal takes some ms, and what was kept for a peer for long is many files.
bool zb_env_trim (zb_env_t *self, uint32_t from, size_t keep, uint32_t needed);

//  The oldest file of the log that belongs to a copy of the tables' files that is begun now; 0 if it can't be told now.
//  Reaches back over one checkpoint at least, with which recovery learns which files the log's records mean.
uint32_t zb_env_needed (zb_env_t *self);

//  Berkeley DB's handle, for the tables.
struct __db_env;
struct __db_env *zb_env_handle (const zb_env_t *self);
//  The end of this log; 0 if it can't be told now.
zb_lsn_t zb_env_end (zb_env_t *self);
//  Bytes of log between two positions; the position so many bytes before one, 0 if there is none.
uint64_t zb_env_distance (const zb_env_t *self, zb_lsn_t from, zb_lsn_t to);
zb_lsn_t zb_env_before (const zb_env_t *self, zb_lsn_t at, uint64_t bytes);

#endif
