/*  =========================================================================
    env - one environment of Berkeley DB: recovery, log, replication

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <db.h>
#include <pthread.h>
#include <sys/stat.h>

#include "core/base/limits.h"
#include "io/base/log.h"
#include "io/store/checksum.h"
#include "io/store/env.h"
#include "io/store/moment.h"
#include "io/store/pages.h"

//  Not in the manual of 5.3, but in its db.h: see zb_env_process.
#ifndef DB_REP_WOULDROLLBACK
#define DB_REP_WOULDROLLBACK (-30974)
#endif

#define LOG_BUFFER (16 << 20)  //  the client reads its own log to apply a commit: from memory, if it fits
#define MEMORY_MAX (128 << 20) //  of the region with locks and transactions; its size costs time at each start
#define REPLY_MAX (2 << 20)    //  bytes with which a master answers one request, so that it does not stall
#define REQUEST_MIN 200000     //  us until a gap is asked for again; the link is ordered, so gaps are rare
#define REQUEST_MAX 1000000
#define DIRTY_MOST (12 << 20)   //  bytes of changed pages that may be left for a checkpoint, about
#define TRICKLE_EVERY 10        //  ms, for each GiB of cache: a look at all of it costs time.  So many times
#define TRICKLE_SLOW 5          //  this between two looks, as long as less than so many
#define TRICKLE_LOG (512 << 10) //  bytes of log were written since the first
#define LOCKED_OUT "BDB3504"    //  what Berkeley DB says before it returns DB_REP_LOCKOUT
#define COLLECT 64              //  pages that are written together
#define BUFFERED 2048           //  pages in the doublewrite buffer until the tables are synced

struct zb_env {
    DB_ENV *env;
    char *home;
    unsigned node;
    bool paired;
    bool master;
    size_t log_file;
    zb_env_send_fn *send;
    void *arg;
    zb_lsn_t sent, answered;
    bool answering; //  the peer: a message of its is worked on
    zb_pages_t *pages;
    char *fault;
    bool suspect;
    bool damaged;
    size_t cache;
    int64_t trickled;     //  when it was looked for changed pages
    zb_lsn_t trickled_at; //  and where the log ended
    //  What Berkeley DB has reported: a panic follows and hides its number.
    bool io_error;
    bool checksum;
    int moment;
    int cause; //  of the fault: an error of the system, or 0
    dev_t device; //  of the folder that was opened
    ino_t inode;
    uint32_t log_seen; //  the newest log file that was seen in it
    zb_env_t *next;   //  of those abandoned
    char last[256];   //  its last words
};

//  Environments with a fault.
static zb_env_t *s_abandoned;

static zb_lsn_t s_lsn (const DB_LSN *lsn)
{
    return (zb_lsn_t) lsn->file << 32 | lsn->offset;
}

static const int s_moments[] = {EMFILE, ENFILE, ENOMEM, EAGAIN};
//  How Berkeley DB says that what is on the disk is not what it has written: a checksum is wrong, of a page, a table's
//  first page, or a record of the log; or the number with which each of its files begins; or a page is newer than the log, which ends
//  where a checksum of it is wrong.
static const char *const s_checksums[] = {"BDB0684", "BDB0640", "BDB0210", "BDB0642", "BDB2533",
                                          "BDB2578", "BDB2530", "BDB2506", "BDB0004", "BDB0641"};

static void s_complain (const DB_ENV *env, const char *prefix, const char *text)
{
    (void) prefix;
    zb_env_t *self = env->app_private;
    snprintf (self->last, sizeof (self->last), "%s", text);
    if (strstr (text, strerror (EIO)))
        self->io_error = true;
    for (size_t index = 0; index < sizeof s_moments / sizeof *s_moments; index++)
        if (strstr (text, strerror (s_moments[index])))
            self->moment = s_moments[index];
    for (size_t index = 0; index < sizeof s_checksums / sizeof *s_checksums; index++)
        if (strstr (text, s_checksums[index]))
            self->checksum = true;
    //  A resync locks the database out while it is going on: that passes, and is tried again.
    zb_log (strstr (text, LOCKED_OUT) ? ZB_LOG_DEBUG : ZB_LOG_WARNING, "store: %s", text);
}

void zb_env_fail (zb_env_t *self, int error, const char *what)
{
    if (self->fault)
        return;
    self->suspect = error == EIO || self->io_error;
    if (zb_moment_is (error))
        self->moment = error;
    if (self->suspect)
        self->moment = 0;
    //  What could not be read for want of something may look damaged: that shows when it is there.
    self->damaged = (self->checksum || error == DB_VERIFY_BAD) && !self->suspect && !self->moment;
    self->cause = self->suspect ? EIO : self->moment ? self->moment : error > 0 ? error : 0;
    self->fault = zsys_sprintf ("%s: %s failed: %s%s%s", self->home, what, db_strerror (error), *self->last ? "; " : "",
                                self->last);
    assert (self->fault);
}

//  Records a fault unless the call went well; returns whether it did.  It did not if there was an I/O error on its way,
//  which Berkeley DB may get over: what was not written by a sync that failed is not written by the next one either.
static bool s_ok (zb_env_t *self, int error, const char *what)
{
    if (!error && self->io_error)
        error = EIO;
    if (error)
        zb_env_fail (self, error, what);
    return error == 0;
}

//  Runs inside Berkeley DB.
static int s_send (DB_ENV *env, const DBT *control, const DBT *record, const DB_LSN *lsn, int eid, u_int32_t flags)
{
    zb_env_t *self = env->app_private;
    size_t size = record ? record->size : 0;
    if (flags & DB_REP_PERMANENT)
        self->sent = s_lsn (lsn);
    //  Several records in one message have the position of the first one.
    if (eid != DB_EID_BROADCAST && lsn && lsn->file)
        self->answered = s_lsn (lsn) + size;
    //  What goes out while a message of the peer's is worked on answers it; of the rest, only records of the log have
    //  content.
    bool fresh = !self->answering && size;
    self->send (self->arg, fresh, control->data, control->size, record ? record->data : NULL, size);
    return 0;
}

//  ---------------------------------------------------------------------------
//  Room for the regions
//
//  Berkeley DB's memory is in files that it maps and never writes: their blocks are taken when a page is touched, and if
//  the disk is full then, the process dies of SIGBUS.  So all that they may grow to is taken at once, where a lack of it
//  is an error.  A file system that can't do that says EOPNOTSUPP, and keeps its risk.

static const char *const s_regions[] = {"__db.001", "__db.002", "__db.003"};

//  A record never spans files, so a buffer larger than a file makes no sense, and Berkeley DB refuses it.
static size_t s_log_buffer (size_t log_file)
{
    return log_file < 4 * LOG_BUFFER ? log_file / 4 : LOG_BUFFER;
}

//  Bytes that a region may come to.
static size_t s_region_size (const zb_env_t *self, size_t index)
{
    //  Berkeley DB makes a cache a quarter larger than it was told.
    size_t most[] = {MEMORY_MAX, s_log_buffer (self->log_file) + (1 << 20), self->cache + self->cache / 4 + (1 << 20)};
    return most[index];
}

//  Takes the blocks of a file, which may be longer or shorter.  Returns 0 or an error.
static int s_take (const char *path, size_t size, int flags)
{
    int file = open (path, O_RDWR | O_CLOEXEC | flags, 0600);
    if (file == -1)
        return errno;
    int rc;
    do
        rc = fallocate (file, FALLOC_FL_KEEP_SIZE, 0, (off_t) size) ? errno : 0;
    while (rc == EINTR);
    close (file);
    return rc == EOPNOTSUPP ? 0 : rc;
}

//  Recovery makes the regions anew and uses them at once: looks whether there is room for them before, without the old
//  ones.
static int s_room (const zb_env_t *self)
{
    size_t size = 0;
    for (size_t index = 0; index < sizeof s_regions / sizeof *s_regions; index++) {
        char *old = zsys_sprintf ("%s/%s", self->home, s_regions[index]);
        assert (old);
        unlink (old);
        freen (old);
        size += s_region_size (self, index);
    }
    char *path = zsys_sprintf ("%s/room", self->home);
    assert (path);
    int rc = s_take (path, size, O_CREAT);
    unlink (path);
    freen (path);
    return rc;
}

//  Takes what the regions do not have yet.
static int s_take_regions (const zb_env_t *self)
{
    int rc = 0;
    for (size_t index = 0; rc == 0 && index < sizeof s_regions / sizeof *s_regions; index++) {
        char *path = zsys_sprintf ("%s/%s", self->home, s_regions[index]);
        assert (path);
        rc = s_take (path, s_region_size (self, index), 0);
        freen (path);
    }
    return rc;
}

//  ---------------------------------------------------------------------------
//  Life

//  A record of ours (io/store/brief.h) changes nothing when a log is recovered.
static int s_dispatch (DB_ENV *env, DBT *record, DB_LSN *lsn, db_recops what)
{
    (void) env;
    (void) record;
    (void) lsn;
    (void) what;
    return 0;
}

//  What must be known before the environment is opened.  Returns 0 or an error.
static int s_configure (zb_env_t *self, const zb_env_args_t *args)
{
    DB_ENV *env = self->env;
    int rc = env->set_cachesize (env, (u_int32_t) (args->cache >> 30), (u_int32_t) (args->cache & ((1 << 30) - 1)), 1);
    if (!rc)
        rc = env->set_memory_max (env, 0, MEMORY_MAX);
    if (!rc)
        rc = env->set_app_dispatch (env, s_dispatch);
    if (!rc)
        rc = env->set_lg_max (env, (u_int32_t) args->log_file);
    if (!rc)
        rc = env->set_lg_bsize (env, (u_int32_t) s_log_buffer (args->log_file));
    //  With bulk transfer the client would sync for each record of a commit that syncs by itself: commits never do,
    //  the log is flushed once for all that came in one go.
    if (!rc)
        rc = env->set_flags (env, DB_TXN_NOSYNC, 1);
    //  What is read from a table's file must come through zb_pages_t.
    if (!rc)
        rc = env->set_flags (env, DB_NOMMAP, 1);
    if (rc || !self->paired)
        return rc;
    rc = env->rep_set_config (env, DB_REP_CONF_BULK, 1);
    //  Without it calls wait, for ever, while a resync is going on.
    if (!rc)
        rc = env->rep_set_config (env, DB_REP_CONF_NOWAIT, 1);
    if (!rc)
        rc = env->rep_set_config (env, DB_REP_CONF_AUTOINIT, args->init);
    if (!rc)
        rc = env->rep_set_config (env, DB_REP_CONF_AUTOROLLBACK, args->rollback);
    //  Else a master's checkpoint sleeps for 30 s.
    if (!rc)
        rc = env->rep_set_timeout (env, DB_REP_CHECKPOINT_DELAY, 0);
    if (!rc)
        rc = env->rep_set_request (env, REQUEST_MIN, REQUEST_MAX);
    if (!rc)
        rc = env->rep_set_limit (env, 0, REPLY_MAX);
    return rc;
}

//  For all environments of this process, before the first is opened.
static void s_redirect (void)
{
    db_env_set_func_open (zb_pages_open);
    db_env_set_func_close (zb_pages_close);
    db_env_set_func_pread (zb_pages_pread);
    //  Never a write as well: with one, Berkeley DB positions and writes, and pwrite is not called any more (os_rw.c).
    db_env_set_func_pwrite (zb_pages_pwrite);
    db_env_set_func_fsync (zb_pages_fsync);
    db_env_set_func_ftruncate (zb_pages_ftruncate);
    db_env_set_func_unlink (zb_pages_unlink);
    db_env_set_func_rename (zb_pages_rename);
}

//  And what it calls in place of its own function: the dynamic linker finds the program's first, and the linker exports
//  it since the library has the name, too.  Weak, as a static library has its own in the program.
u_int32_t __ham_func4 (DB *db, const void *data, u_int32_t size);
__attribute__ ((weak, used, visibility ("default"))) u_int32_t __ham_func4 (DB *db, const void *data, u_int32_t size)
{
    (void) db;
    return zb_checksum (data, size);
}

zb_env_t *zb_env_new (const zb_env_args_t *args)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once (&once, s_redirect);
    zb_env_t *self = zmalloc (sizeof (*self));
    self->home = strdup (args->home);
    assert (self->home);
    self->node = args->node;
    self->paired = args->paired;
    self->log_file = args->log_file;
    self->cache = args->cache;
    self->send = args->send;
    self->arg = args->arg;
    if (!s_ok (self, db_env_create (&self->env, 0), "db_env_create"))
        return self;
    self->env->app_private = self;
    self->env->set_errcall (self->env, s_complain);
    if (!s_ok (self, s_configure (self, args), "configuration"))
        return self;
    struct stat info;
    if (!s_ok (self, stat (self->home, &info) == 0 ? 0 : errno, "the folder"))
        return self;
    self->device = info.st_dev;
    self->inode = info.st_ino;
    self->pages = zb_pages_new (self->home, COLLECT, BUFFERED);
    if (!s_ok (self, self->pages ? 0 : errno, "the doublewrite buffer"))
        return self;
    u_int32_t flags = DB_CREATE | DB_THREAD | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_LOCK | DB_INIT_MPOOL;
    flags |= args->fatal ? DB_RECOVER_FATAL : DB_RECOVER;
    if (self->paired)
        flags |= DB_INIT_REP;
    if (args->shared)
        flags |= DB_PRIVATE;
    else if (!s_ok (self, s_room (self), "room for the database's memory"))
        return self;
    if (!s_ok (self, self->env->open (self->env, self->home, flags, 0600), "open with recovery"))
        return self;
    if (!args->shared && !s_ok (self, s_take_regions (self), "room for the database's memory"))
        return self;
    if (self->paired &&
        s_ok (self, self->env->rep_set_transport (self->env, (int) self->node, s_send), "rep_set_transport"))
        zb_env_follow (self);
    return self;
}

void zb_env_destroy (zb_env_t **self_p)
{
    assert (self_p);
    zb_env_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    if (self->fault) {
        //  Not closed, so its memory stays in use; the list says that this is meant.
        self->next = s_abandoned;
        s_abandoned = self;
        return;
    }
    int rc = self->env->close (self->env, 0);
    if (rc)
        zb_log (ZB_LOG_WARNING, "store: %s: close: %s", self->home, db_strerror (rc));
    zb_pages_destroy (&self->pages);
    freen (self->home);
    freen (self);
}

const char *zb_env_fault (const zb_env_t *self)
{
    return self->fault;
}

bool zb_env_suspect (const zb_env_t *self)
{
    return self->suspect;
}

bool zb_env_damaged (const zb_env_t *self)
{
    return self->damaged;
}

int zb_env_cause (const zb_env_t *self)
{
    return self->cause;
}

struct __db_env *zb_env_handle (const zb_env_t *self)
{
    return self->env;
}

//  ---------------------------------------------------------------------------
//  Replication

static void s_rep_start (zb_env_t *self, u_int32_t role)
{
    if (self->fault)
        return;
    if (s_ok (self, self->env->rep_start (self->env, NULL, role), "rep_start"))
        self->master = role == DB_REP_MASTER;
}

void zb_env_follow (zb_env_t *self)
{
    s_rep_start (self, DB_REP_CLIENT);
}

void zb_env_lead (zb_env_t *self, uint32_t above)
{
    zb_env_status_t status;
    zb_env_status (self, &status);
    //  Each round raises it, and the last ones find the parity.
    uint32_t rounds = (above > status.generation ? above - status.generation : 0) + 4;
    if (rounds > ZB_GENERATION_REACH + 4)
        rounds = 0;
    do {
        if (rounds-- == 0) {
            zb_env_fail (self, ERANGE, "raising the database's generation above the peer's");
            return;
        }
        if (self->master)
            s_rep_start (self, DB_REP_CLIENT);
        s_rep_start (self, DB_REP_MASTER);
        zb_env_status (self, &status);
    } while (!self->fault && (status.generation <= above || status.generation % 2 != self->node % 2));
}

void zb_env_allow (zb_env_t *self, bool rollback, bool init)
{
    if (self->fault || !self->paired)
        return;
    //  A resync makes the log anew.
    self->log_seen = 0;
    if (s_ok (self, self->env->rep_set_config (self->env, DB_REP_CONF_AUTOROLLBACK, rollback), "rep_set_config"))
        s_ok (self, self->env->rep_set_config (self->env, DB_REP_CONF_AUTOINIT, init), "rep_set_config");
}

zb_env_outcome_t zb_env_process (zb_env_t *self, const void *control, size_t control_size, const void *record,
                                 size_t record_size, zb_lsn_t *lsn)
{
    *lsn = 0;
    if (self->fault)
        return ZB_ENV_NOTHING;
    DBT control_dbt = {.data = (void *) (uintptr_t) control, .size = (u_int32_t) control_size};
    DBT record_dbt = {.data = (void *) (uintptr_t) record, .size = (u_int32_t) record_size};
    DB_LSN found = {0, 0};
    self->answering = true;
    int rc = self->env->rep_process_message (self->env, &control_dbt, &record_dbt, (int) (3 - self->node), &found);
    self->answering = false;
    *lsn = s_lsn (&found);
    switch (rc) {
    case DB_REP_ISPERM:
        return ZB_ENV_APPLIED;
    case DB_REP_NOTPERM:
        return ZB_ENV_QUEUED;
    case DB_REP_IGNORE:
        return ZB_ENV_IGNORED;
    case DB_REP_DUPMASTER:
        return ZB_ENV_DUAL;
    case DB_REP_JOIN_FAILURE:
        return ZB_ENV_NO_LOG;
    case DB_REP_WOULDROLLBACK:
        return ZB_ENV_DIVERGED;
    case 0:
    case DB_REP_NEWSITE:
    case DB_REP_HOLDELECTION:
    case DB_LOCK_DEADLOCK: //  lost against a reader; it will be asked for again
    case DB_REP_LOCKOUT:
    case EINVAL: //  a message it does not know
        return ZB_ENV_NOTHING;
    default:
        zb_env_fail (self, rc, "rep_process_message");
        return ZB_ENV_NOTHING;
    }
}

void zb_env_status (zb_env_t *self, zb_env_status_t *status)
{
    *status = (zb_env_status_t){0};
    DB_REP_STAT *stat = NULL;
    if (self->fault || !self->paired || !s_ok (self, self->env->rep_stat (self->env, &stat, 0), "rep_stat"))
        return;
    status->generation = stat->st_gen;
    status->follows = stat->st_status == DB_REP_CLIENT && stat->st_master == (db_ssize_t) (3 - self->node);
    status->caught_up = status->follows && stat->st_startup_complete;
    status->applied = s_lsn (&stat->st_max_perm_lsn);
    status->pages = stat->st_pg_records;
    free (stat);
}

zb_lsn_t zb_env_sent (const zb_env_t *self)
{
    return self->sent;
}

zb_lsn_t zb_env_answered (const zb_env_t *self)
{
    return self->answered;
}

//  ---------------------------------------------------------------------------
//  Log, checkpoints

bool zb_env_flush (zb_env_t *self)
{
    if (self->fault)
        return false;
    int rc = self->env->log_flush (self->env, NULL);
    return rc != DB_REP_LOCKOUT && s_ok (self, rc, "log_flush") && zb_env_in_place (self);
}

//  Whether the newest log file that is on the disk has its name.  Only one that had it before can have lost it.
static bool s_has_log (zb_env_t *self)
{
    DB_LOG_STAT *stat = NULL;
    int rc = self->env->log_stat (self->env, &stat, 0);
    if (rc == DB_REP_LOCKOUT || !s_ok (self, rc, "log_stat"))
        return true;
    uint32_t file = stat->st_disk_file;
    free (stat);
    char path[PATH_MAX];
    snprintf (path, sizeof path, "%s/log.%010" PRIu32, self->home, file);
    if (access (path, F_OK) == 0)
        self->log_seen = file;
    else if (errno == ENOENT && self->log_seen == file)
        return false;
    return true;
}

bool zb_env_in_place (zb_env_t *self)
{
    if (self->fault)
        return false;
    struct stat info;
    bool gone = stat (self->home, &info) != 0 ? errno == ENOENT || errno == ENOTDIR
                                              : info.st_dev != self->device || info.st_ino != self->inode;
    if (gone || !s_has_log (self)) {
        self->cause = ENOENT;
        self->fault = zsys_sprintf ("%s was removed or replaced while this broker used it, so what is stored goes with "
                                    "this process",
                                    self->home);
        assert (self->fault);
    }
    return !self->fault;
}

void zb_env_sync (zb_env_t *self)
{
    if (!self->fault)
        s_ok (self, self->env->memp_sync (self->env, NULL), "memp_sync");
}

bool zb_env_checkpoint (zb_env_t *self, uint32_t kbytes)
{
    if (self->fault)
        return true;
    //  Berkeley DB may not sync a file again whose sync has failed: all must be written before it is asked.
    int rc = zb_pages_error (self->pages) ? zb_pages_flush (self->pages) : 0;
    if (!rc)
        rc = self->env->txn_checkpoint (self->env, kbytes, 0, 0);
    if (rc == ENOSPC)
        return false;
    //  Any other error is final, even if the next try succeeds: the kernel may have dropped the pages.
    if (rc != DB_REP_LOCKOUT)
        s_ok (self, rc, "checkpoint");
    return true;
}

void zb_env_trickle (zb_env_t *self)
{
    int64_t now = zclock_mono (), least = TRICKLE_EVERY * (int64_t) (1 + (self->cache >> 30));
    if (self->fault || now - self->trickled < least)
        return;
    zb_lsn_t end = zb_env_end (self);
    if (now - self->trickled < least * TRICKLE_SLOW && zb_env_distance (self, self->trickled_at, end) < TRICKLE_LOG)
        return;
    self->trickled = now;
    self->trickled_at = end;
    DB_MPOOL_STAT *stat = NULL;
    int rc = self->env->memp_stat (self->env, &stat, NULL, 0);
    if (rc == DB_REP_LOCKOUT || !s_ok (self, rc, "memp_stat"))
        return;
    uint64_t changed = stat->st_page_dirty, all = changed + stat->st_page_clean;
    free (stat);
    uint64_t most = (self->cache / 4 < DIRTY_MOST ? self->cache / 4 : DIRTY_MOST) / ZB_PAGE_SIZE;
    if (changed <= most)
        return;
    //  Of 100 pages so many are to be clean; Berkeley DB does not take 0.
    int clean = (int) (100 * (all - most) / all);
    rc = self->env->memp_trickle (self->env, clean > 0 ? clean : 1, NULL);
    //  Locked by a resync; or full, which the next checkpoint meets, too.
    if (rc != DB_REP_LOCKOUT && rc != ENOSPC)
        s_ok (self, rc, "writing pages");
    rc = zb_pages_error (self->pages);
    if (rc != ENOSPC)
        s_ok (self, rc, "writing pages");
}

//  The number in the name of a log file.
static uint32_t s_file_number (const char *name)
{
    return (uint32_t) strtoul (name + strcspn (name, "0123456789"), NULL, 10);
}

uint32_t zb_env_needed (zb_env_t *self)
{
    uint32_t needed = 0;
    //  What recovery does not need, of which the newest is kept for the copy; if there is none such, all.
    static const u_int32_t which[] = {0, DB_ARCH_LOG};
    for (size_t index = 0; !self->fault && !needed && index < sizeof which / sizeof *which; index++) {
        char **list = NULL;
        int rc = self->env->log_archive (self->env, &list, which[index]);
        if (rc == DB_REP_LOCKOUT || !s_ok (self, rc, "log_archive"))
            return 0;
        for (char **name = list; name && *name; name++)
            if (index == 0 || !needed)
                needed = s_file_number (*name);
        free (list);
    }
    return needed;
}

bool zb_env_trim (zb_env_t *self, uint32_t from, size_t keep, uint32_t needed)
{
    char **list = NULL;
    DB_LOG_STAT *stat = NULL;
    if (self->fault)
        return false;
    int rc = self->env->log_stat (self->env, &stat, 0);
    if (rc == DB_REP_LOCKOUT || !s_ok (self, rc, "log_stat"))
        return false;
    uint32_t newest = stat->st_cur_file;
    free (stat);
    //  In order, the oldest first.
    rc = self->env->log_archive (self->env, &list, 0);
    if (rc == DB_REP_LOCKOUT || !s_ok (self, rc, "log_archive") || !list)
        return false;
    const char *name = *list;
    uint32_t file = s_file_number (name);
    bool old = file < from || (uint64_t) (newest - file + 1) * self->log_file > keep, removed = false;
    if (old && file < needed) {
        char *path = zsys_sprintf ("%s/%s", self->home, name);
        assert (path);
        removed = unlink (path) == 0;
        if (!removed && errno != ENOENT)
            zb_log (ZB_LOG_WARNING, "store: can't remove %s: %s", path, strerror (errno));
        freen (path);
    }
    free (list);
    return removed;
}

zb_lsn_t zb_env_end (zb_env_t *self)
{
    DB_LOG_STAT *stat = NULL;
    if (self->fault)
        return 0;
    int rc = self->env->log_stat (self->env, &stat, 0);
    if (rc == DB_REP_LOCKOUT || !s_ok (self, rc, "log_stat"))
        return 0;
    zb_lsn_t end = (zb_lsn_t) stat->st_cur_file << 32 | stat->st_cur_offset;
    free (stat);
    return end;
}

//  Where a position lies in a log whose files are all as long as new ones will be; those of another length make it inexact.
static uint64_t s_flat (const zb_env_t *self, zb_lsn_t at)
{
    return ZB_LSN_FILE (at) * (uint64_t) self->log_file + (uint32_t) at;
}

uint64_t zb_env_distance (const zb_env_t *self, zb_lsn_t from, zb_lsn_t to)
{
    return s_flat (self, from) < s_flat (self, to) ? s_flat (self, to) - s_flat (self, from) : 0;
}

zb_lsn_t zb_env_before (const zb_env_t *self, zb_lsn_t at, uint64_t bytes)
{
    uint64_t from = s_flat (self, at);
    from -= bytes < from ? bytes : from;
    return from / self->log_file << 32 | from % self->log_file;
}
