/*  =========================================================================
    backup - a folder with the store as it was at one commit

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <sys/stat.h>

#include "core/base/level.h"
#include "core/base/limits.h"
#include "core/base/lineage.h"
#include "core/queue/rows.h"
#include "core/wire/token.h"
#include "io/base/exit_codes.h"
#include "io/store/backup.h"
#include "io/store/env.h"
#include "io/store/home.h"
#include "io/store/moment.h"
#include "io/store/node.h"
#include "io/store/pages.h"
#include "io/store/part.h"
#include "io/store/record.h"
#include "io/store/tables.h"
#include "io/store/tables_file.h"

#define MANIFEST "MANIFEST"
#define HASH_SIZE (ZB_BACKUP_HASH / 2)
#define BLOCK (1 << 20)
#define CACHE (64 << 20)
#define LOG_FILE (64 << 20) //  of what recovery writes; those that are there may be larger
#define FILES_MOST 10000    //  the record's room says less
#define PAIR_SIZE 16

static int s_say (char **error, int code, const char *format, ...) CHECK_PRINTF (3);

//  The text of what went wrong.  Returns the exit code.
static int s_say (char **error, int code, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (text, sizeof text, format, arguments);
    va_end (arguments);
    *error = strdup (text);
    assert (*error);
    return code;
}

//  The same for an error of the system, in errno.
static int s_failed (char **error, const char *verb, const char *path)
{
    int code = zb_moment_code (errno);
    return s_say (error, code, "can't %s %s: %s", verb, path, zb_moment_text (errno));
}

static char *s_join (const char *folder, const char *name)
{
    char *path = zsys_sprintf ("%s/%s", folder, name);
    assert (path);
    return path;
}

static int s_order (const void *one, const void *other)
{
    return strcmp (((const zb_backup_file_t *) one)->name, ((const zb_backup_file_t *) other)->name);
}

//  ---------------------------------------------------------------------------
//  Files

//  Copies a file (to -1: only reads it) and sums it up.  Returns 0, or -1 and errno; ECANCELED if it was ended.
static int s_pass (int from, int to, uint64_t *size, char hash[ZB_BACKUP_HASH + 1], zb_backup_progress_fn *progress,
                   void *arg, uint64_t done)
{
    crypto_generichash_state state;
    crypto_generichash_init (&state, NULL, 0, HASH_SIZE);
    uint8_t *block = malloc (BLOCK), sum[HASH_SIZE];
    assert (block);
    ssize_t got;
    *size = 0;
    int rc = 0;
    while (rc == 0 && (got = read (from, block, BLOCK)) != 0) {
        if (got == -1 && errno == EINTR)
            continue;
        rc = got == -1 ? -1 : 0;
        for (ssize_t wrote, at = 0; rc == 0 && to != -1 && at < got; at += wrote) {
            wrote = write (to, block + at, (size_t) (got - at));
            if (wrote == -1)
                rc = errno == EINTR ? (wrote = 0) : -1;
        }
        if (rc == 0) {
            crypto_generichash_update (&state, block, (size_t) got);
            *size += (uint64_t) got;
            if (progress && !progress (arg, done + *size)) {
                errno = ECANCELED;
                rc = -1;
            }
        }
    }
    int error = errno;
    crypto_generichash_final (&state, sum, sizeof sum);
    sodium_bin2hex (hash, ZB_BACKUP_HASH + 1, sum, sizeof sum);
    free (block);
    errno = error;
    return rc;
}

//  Reads a file, or copies it into a folder, where it is synced.  Returns as s_pass.
static int s_file (const char *path, const char *to, const char *name, uint64_t *size, char hash[ZB_BACKUP_HASH + 1],
                   zb_backup_progress_fn *progress, void *arg, uint64_t done)
{
    int from = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), fd = -1, rc = from == -1 ? -1 : 0;
    if (rc == 0 && to) {
        char *copy = s_join (to, name);
        fd = open (copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        rc = fd == -1 ? -1 : 0;
        free (copy);
    }
    if (rc == 0)
        rc = s_pass (from, fd, size, hash, progress, arg, done);
    if (rc == 0 && fd != -1)
        rc = fsync (fd);
    int error = errno;
    if (from != -1)
        close (from);
    if (fd != -1)
        close (fd);
    errno = error;
    return rc;
}

//  Adds the files of the environment, with their sizes; without what Berkeley DB makes anew.  -1 and errno.
static int s_list (zb_backup_t *self)
{
    DIR *dir = opendir (self->home);
    if (!dir)
        return -1;
    struct dirent *entry;
    while ((entry = readdir (dir)) != NULL) {
        struct stat info;
        if (*entry->d_name == '.' || strncmp (entry->d_name, "__db", 4) == 0 || strlen (entry->d_name) >= 32 ||
            fstatat (dirfd (dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG (info.st_mode))
            continue;
        self->file = realloc (self->file, (self->files + 1) * sizeof *self->file);
        assert (self->file);
        zb_backup_file_t *file = &self->file[self->files++];
        *file = (zb_backup_file_t){.size = (uint64_t) info.st_size};
        memcpy (file->name, entry->d_name, strlen (entry->d_name));
    }
    closedir (dir);
    if (self->files)
        qsort (self->file, self->files, sizeof *self->file, s_order);
    return 0;
}

uint64_t zb_backup_size (const zb_backup_t *self)
{
    uint64_t size = 0;
    for (size_t index = 0; index < self->files; index++)
        size += self->file[index].size;
    return size;
}

bool zb_backup_file_whole (const zb_backup_t *self, size_t index, zb_backup_progress_fn *progress, void *arg,
                           char **why)
{
    const zb_backup_file_t *file = &self->file[index];
    char *path = s_join (self->home, file->name), hash[ZB_BACKUP_HASH + 1];
    uint64_t size, done = 0;
    for (size_t before = 0; before < index; before++)
        done += self->file[before].size;
    int rc = s_file (path, NULL, NULL, &size, hash, progress, arg, done);
    free (path);
    *why = NULL;
    if (rc != 0)
        *why = strdup (strerror (errno));
    else if (size != file->size)
        *why = zsys_sprintf ("%" PRIu64 " bytes, and was %" PRIu64, size, file->size);
    else if (!streq (hash, file->hash))
        *why = strdup ("its checksum is wrong");
    return *why == NULL;
}

//  ---------------------------------------------------------------------------
//  The manifest

static zb_backup_t *s_new (const char *folder, const char *home)
{
    zb_backup_t *self = zmalloc (sizeof (*self));
    self->folder = strdup (folder);
    self->home = home ? strdup (home) : s_join (folder, ZB_PART_ENV);
    assert (self->folder && self->home);
    return self;
}

void zb_backup_close (zb_backup_t **self_p)
{
    assert (self_p);
    zb_backup_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    free (self->folder);
    free (self->home);
    free (self->file);
    freen (self);
}

//  The text, to be freed.
static char *s_format (const zb_backup_t *self)
{
    char *text = zsys_sprintf (
        "zbroker backup 1\nlevel %u %s\npair %s\nas %s\ntaken %" PRId64 "\nepoch %" PRIu64 "\ncommit %" PRIu64 "\n",
        self->level, zb_level_version (self->level), self->pair, self->as, self->taken, self->epoch, self->commit);
    for (size_t index = 0; index < self->files; index++) {
        const zb_backup_file_t *file = &self->file[index];
        char *more = zsys_sprintf ("%sfile %" PRIu64 " %s %s\n", text, file->size, file->hash, file->name);
        free (text);
        text = more;
    }
    assert (text);
    return text;
}

//  Takes what the text says; false if it is not of this form.
static bool s_scan (zb_backup_t *self, const char *text)
{
    int size = 0;
    if (sscanf (text,
                "zbroker backup 1\nlevel %u %*15s\npair %32s\nas %7s\ntaken %" SCNd64 "\nepoch %" SCNu64
                "\ncommit %" SCNu64 "\n%n",
                &self->level, self->pair, self->as, &self->taken, &self->epoch, &self->commit, &size) != 6 ||
        !size)
        return false;
    for (text += size; *text && self->files < FILES_MOST; text += size) {
        zb_backup_file_t file = {.size = 0};
        size = 0;
        if (sscanf (text, "file %" SCNu64 " %64s %31s\n%n", &file.size, file.hash, file.name, &size) != 3 || !size ||
            strchr (file.name, '/') || strlen (file.hash) != ZB_BACKUP_HASH)
            return false;
        self->file = realloc (self->file, (self->files + 1) * sizeof *self->file);
        assert (self->file);
        self->file[self->files++] = file;
    }
    return !*text && self->files;
}

int zb_backup_open (zb_backup_t **self_p, const char *folder, char **error)
{
    char *text = NULL;
    *self_p = NULL;
    zb_record_state_t state = zb_record_load (folder, MANIFEST, &text);
    if (state == ZB_RECORD_ERROR)
        return s_failed (error, "read " MANIFEST " in", folder);
    if (state == ZB_RECORD_ABSENT && (zb_home_used (folder) || zb_home_holds_tables (folder)))
        return s_say (error, ZB_EXIT_USAGE,
                      "%s is a store, and no backup: make one of it, while no broker uses it, with "
                      "'zbroker backup --store %s FOLDER'",
                      folder, folder);
    if (state == ZB_RECORD_ABSENT)
        return s_say (error, ZB_EXIT_USAGE, "%s is no backup: it has no file " MANIFEST, folder);
    if (state == ZB_RECORD_DAMAGED)
        return s_say (error, ZB_EXIT_DAMAGED, "%s/" MANIFEST " is damaged", folder);
    zb_backup_t *self = s_new (folder, NULL);
    zb_level_t own = zb_level_program ();
    bool good = s_scan (self, text);
    char version[16] = "?";
    int code = ZB_EXIT_OK;
    if (sscanf (text, "zbroker backup %*u\nlevel %u %15s", &self->level, version) == 2 &&
        !zb_level_reads (&own, self->level))
        code = s_say (error, ZB_EXIT_USAGE, "the backup is of a store of level %u: it takes zbroker %s or later",
                      self->level, version);
    else if (!good)
        code = s_say (error, ZB_EXIT_DAMAGED, "%s/" MANIFEST " is not of a form that is read here", folder);
    free (text);
    if (code == ZB_EXIT_OK)
        *self_p = self;
    else
        zb_backup_close (&self);
    return code;
}

//  ---------------------------------------------------------------------------
//  What is in it

//  Reads the row of the table meta; false if it is not there.
static bool s_meta (zb_tables_t *tables, const char *key, zb_row_t **row)
{
    size_t size = strlen (key);
    zb_read_t *read = zb_read_new (0, 0);
    zb_read_add (read, ZB_META, key, size, (uint16_t) size, 1, SIZE_MAX);
    *row = NULL;
    if (zb_tables_read (tables, read) && read->count[0] && read->found[0][0].key_size == size)
        *row = zb_row_ref (read->found[0][0].row);
    zb_read_destroy (&read);
    return *row != NULL;
}

//  What the store says of itself.  False if it is no whole store.
static bool s_know (zb_backup_t *self, zb_tables_t *tables, zb_lineage_t *lineage, uint64_t *newest)
{
    zb_row_t *row;
    zb_level_t level = {0};
    bool good = s_meta (tables, ZB_META_COMMIT, &row) && row->size >= ZB_META_COMMIT_SIZE;
    self->commit = good ? zb_get64 (row->data) : 0;
    *newest = good ? zb_get64 (row->data + 8) : 0;
    zb_row_unref (&row);
    good = s_meta (tables, "lineage", &row) && zb_lineage_decode (lineage, row->data, row->size) == 0 && good;
    self->epoch = zb_lineage_newest (lineage).number;
    zb_row_unref (&row);
    good = s_meta (tables, "format", &row) && zb_level_row_decode (&level, row->data, row->size) == 0 && good;
    self->level = level.store;
    zb_row_unref (&row);
    snprintf (self->pair, sizeof self->pair, "-");
    if (s_meta (tables, "pair", &row) && row->size >= PAIR_SIZE)
        sodium_bin2hex (self->pair, sizeof self->pair, row->data, PAIR_SIZE);
    zb_row_unref (&row);
    return good;
}

//  ---------------------------------------------------------------------------
//  An environment that nobody else uses

typedef struct {
    zb_env_t *env;
    zb_tables_t *tables;
} s_open_t;

static bool s_open (s_open_t *self, const char *home, bool fatal)
{
    zb_env_args_t args = {
        .home = home, .shared = true, .fatal = fatal, .node = 1, .cache = CACHE, .log_file = LOG_FILE};
    self->env = zb_env_new (&args);
    self->tables = zb_tables_new ();
    return !zb_env_fault (self->env) && zb_tables_open (self->tables, self->env, false) &&
           zb_tables_are_whole (self->tables);
}

//  Writes all, so that the tables' files need no log; the log goes but for its end.  Returns an exit code.
static int s_close (s_open_t *self, const char *home, bool good, char **error)
{
    int code = ZB_EXIT_OK;
    if (good && zb_tables_keep (self->tables, true) && zb_env_checkpoint (self->env, 0))
        while (zb_env_trim (self->env, UINT32_MAX, SIZE_MAX, UINT32_MAX))
            ;
    zb_tables_close (self->tables);
    const char *fault = zb_env_fault (self->env);
    if (fault)
        code = s_say (error, zb_env_damaged (self->env) ? ZB_EXIT_DAMAGED : ZB_EXIT_STORE, "%s", fault);
    else if (!good)
        code = s_say (error, ZB_EXIT_DAMAGED, "%s holds no whole store", home);
    zb_tables_destroy (&self->tables);
    zb_env_destroy (&self->env);
    return code;
}

//  What Berkeley DB makes anew, and the doublewrite buffer, which is empty.
static void s_tidy (const char *home)
{
    DIR *dir = opendir (home);
    struct dirent *entry;
    while (dir && (entry = readdir (dir)) != NULL)
        if (strncmp (entry->d_name, "__db", 4) == 0 || streq (entry->d_name, ZB_DOUBLEWRITE))
            unlinkat (dirfd (dir), entry->d_name, 0);
    if (dir)
        closedir (dir);
}

static int s_sync_files (const zb_backup_t *self)
{
    int rc = 0;
    for (size_t index = 0; rc == 0 && index < self->files; index++) {
        char *path = s_join (self->home, self->file[index].name);
        int fd = open (path, O_RDONLY | O_CLOEXEC);
        rc = fd == -1 ? -1 : fsync (fd);
        if (fd != -1)
            close (fd);
        free (path);
    }
    return rc;
}

static int s_sum_up (zb_backup_t *self, char **error)
{
    if (s_list (self) != 0 || s_sync_files (self) != 0)
        return s_failed (error, "read", self->home);
    for (size_t index = 0; index < self->files; index++) {
        zb_backup_file_t *file = &self->file[index];
        char *path = s_join (self->home, file->name);
        int rc = s_file (path, NULL, NULL, &file->size, file->hash, NULL, NULL, 0);
        free (path);
        if (rc != 0)
            return s_failed (error, "read", file->name);
    }
    return ZB_EXIT_OK;
}

int zb_backup_finish (const char *folder, const char *as, char **error)
{
    char *part = zsys_sprintf ("%s" ZB_PART, folder);
    assert (part);
    zb_backup_t *self = s_new (part, NULL);
    zb_lineage_t lineage = {0};
    uint64_t newest;
    s_open_t open = {NULL, NULL};
    bool good = s_open (&open, self->home, true) && s_know (self, open.tables, &lineage, &newest);
    int code = s_close (&open, self->home, good, error);
    snprintf (self->as, sizeof self->as, "%s", as);
    self->taken = (int64_t) time (NULL);
    if (code == ZB_EXIT_OK)
        s_tidy (self->home);
    for (zb_table_t table = ZB_META; code == ZB_EXIT_OK && table < ZB_TABLES; table++)
        if (!zb_tables_file_sound (self->home, table))
            code = s_say (error, ZB_EXIT_DAMAGED, "%s of the copy is no sound tree: is the store damaged?",
                          zb_tables_file_name (table));
    if (code == ZB_EXIT_OK)
        code = s_sum_up (self, error);
    char *text = code == ZB_EXIT_OK ? s_format (self) : NULL;
    if (text && (zb_record_save (part, MANIFEST, text) != 0 || zb_part_publish (folder) != 0))
        code = s_failed (error, "make", folder);
    free (text);
    zb_backup_close (&self);
    free (part);
    return code;
}

//  ---------------------------------------------------------------------------
//  Of a store that no broker uses

//  Copies all that is in an environment, its doublewrite buffer included.
static int s_copy_env (const char *home, const char *to, zb_backup_progress_fn *progress, void *arg, char **error)
{
    zb_backup_t *from = s_new (home, home);
    int code = s_list (from) != 0 ? s_failed (error, "read", home) : ZB_EXIT_OK;
    uint64_t done = 0;
    for (size_t index = 0; code == ZB_EXIT_OK && index < from->files; index++) {
        const zb_backup_file_t *file = &from->file[index];
        char *path = s_join (home, file->name), hash[ZB_BACKUP_HASH + 1];
        uint64_t size;
        if (s_file (path, to, file->name, &size, hash, progress, arg, done) != 0)
            code = s_failed (error, "copy", path);
        done += file->size;
        free (path);
    }
    zb_backup_close (&from);
    return code;
}

//  The kind that its lock tells; without one, as of a store that no broker has opened yet, what the node's file says.
static zb_kind_t s_kind (const char *dir, unsigned as)
{
    zb_lock_t *lock = zb_lock_new (dir);
    zb_holder_t holder = {.kind = ZB_KIND_SINGLE};
    bool held;
    int rc = zb_lock_look (lock, &holder, &held);
    zb_lock_destroy (&lock);
    return rc == 0 ? holder.kind : as ? ZB_KIND_REPLICATED : ZB_KIND_SINGLE;
}

int zb_backup_store (const char *dir, const char *folder, zb_backup_progress_fn *progress, void *arg, char **error)
{
    zb_node_t node;
    int code = ZB_EXIT_OK;
    zb_node_state_t state = zb_node_load (&node, dir);
    if (state == ZB_NODE_BEYOND) {
        *error = zb_node_beyond (dir);
        return ZB_EXIT_USAGE;
    }
    if (state != ZB_NODE_FOUND || !node.complete || node.suspect || !node.current)
        return s_say (error, state == ZB_NODE_ABSENT ? ZB_EXIT_USAGE : ZB_EXIT_DAMAGED,
                      "%s holds no whole store that can be "
                      "trusted",
                      dir);
    zb_kind_t kind = s_kind (dir, node.as);
    char *lock = s_join (dir, "LOCK");
    bool locked = access (lock, F_OK) == 0 || errno != ENOENT;
    zb_home_t *home = zb_home_new (dir, kind, error, &code);
    char *why = NULL;
    if (!home) {
        free (lock);
        return code;
    }
    if (kind == ZB_KIND_SHARED && zb_lock_take (zb_home_lock (home)) != 0)
        code = s_say (error, ZB_EXIT_BUSY, "a broker uses %s", dir);
    zb_part_t *part = code == ZB_EXIT_OK ? zb_part_new (folder, &why) : NULL;
    if (code == ZB_EXIT_OK && !part) {
        *error = why;
        code = ZB_EXIT_USAGE;
    }
    if (part)
        code = s_copy_env (zb_home_env (home, node.current), part->env, progress, arg, error);
    if (code == ZB_EXIT_OK)
        code = zb_backup_finish (folder, kind == ZB_KIND_REPLICATED ? zb_node_name (node.as ? node.as : 1) : "single",
                                 error);
    zb_part_destroy (&part, code != ZB_EXIT_OK);
    //  One that was made here is ours, and not of the user that the broker runs as.  Who has opened it meanwhile finds it gone.
    if (!locked)
        unlink (lock);
    free (lock);
    zb_home_destroy (&home);
    return code;
}

//  ---------------------------------------------------------------------------
//  A store of it

//  What makes it another incarnation, in one transaction.
static bool s_incarnate (s_open_t *open, zb_backup_t *known, unsigned node, bool paired, uint64_t *alone,
                         uint64_t *newest)
{
    zb_lineage_t lineage = {0};
    zb_row_t *secret;
    if (!s_know (known, open->tables, &lineage, newest) || !s_meta (open->tables, "secret", &secret))
        return false;
    uint64_t epoch = known->epoch + ZB_RESTORE_EPOCHS, commit = known->commit + 1;
    bool good = secret->size >= ZB_SECRET_SIZE && !(epoch >> ZB_EPOCH_BITS);
    //  Older than the oldest that is kept counts as held: nobody who has the old pair's ids is told to wait for them.
    lineage.size = 0;
    if (good)
        zb_lineage_raise_to (&lineage, epoch, node, commit);
    uint8_t row[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE], head[ZB_META_COMMIT_SIZE], fresh[ZB_SECRET_SIZE];
    uint8_t former[ZB_FORMER_SIZE];
    zb_batch_t *batch = zb_batch_new ();
    if (good) {
        lineage.epoch[0].before = *newest;
        zb_batch_put (batch, ZB_META, "lineage", 7, row, zb_lineage_encode (&lineage, row));
        zb_put64 (head, commit);
        zb_put64 (head + 8, *newest);
        zb_batch_put (batch, ZB_META, ZB_META_COMMIT, strlen (ZB_META_COMMIT), head, sizeof head);
        zb_put64 (former, known->commit);
        memcpy (former + 8, secret->data, ZB_SECRET_SIZE);
        zb_batch_put (batch, ZB_META, ZB_META_FORMER, strlen (ZB_META_FORMER), former, sizeof former);
        randombytes_buf (fresh, sizeof fresh);
        zb_batch_put (batch, ZB_META, "secret", 6, fresh, ZB_SECRET_SIZE);
        randombytes_buf (fresh, sizeof fresh);
        if (paired)
            zb_batch_put (batch, ZB_META, "pair", 4, fresh, PAIR_SIZE);
        else
            zb_batch_erase (batch, ZB_META, "pair", 4);
        good = zb_tables_commit (open->tables, batch) && zb_env_flush (open->env);
    }
    zb_batch_destroy (&batch);
    zb_row_unref (&secret);
    *alone = epoch;
    return good;
}

static int s_copy_files (const zb_backup_t *self, const char *to, zb_backup_progress_fn *progress, void *arg,
                         char **error)
{
    uint64_t done = 0;
    for (size_t index = 0; index < self->files; index++) {
        const zb_backup_file_t *file = &self->file[index];
        char *path = s_join (self->home, file->name), hash[ZB_BACKUP_HASH + 1];
        uint64_t size;
        int rc = s_file (path, to, file->name, &size, hash, progress, arg, done);
        int code = rc != 0 ? s_failed (error, "copy", path) : ZB_EXIT_OK;
        if (rc == 0 && (size != file->size || !streq (hash, file->hash)))
            code = s_say (error, ZB_EXIT_DAMAGED, "%s is damaged: see 'zbroker verify %s'", path, self->folder);
        free (path);
        if (code != ZB_EXIT_OK)
            return code;
        done += size;
    }
    return ZB_EXIT_OK;
}

//  Makes a store of the copied files.
static int s_make_store (const zb_backup_t *self, const zb_part_t *part, const char *as, char **error)
{
    zb_backup_t *known = s_new (self->folder, part->env);
    bool paired = !streq (as, "single");
    zb_node_t node = {.complete = true, .current = 1, .level = self->level};
    node.as = !paired ? 0 : streq (as, "backup") ? 2 : 1;
    s_open_t open = {NULL, NULL};
    bool good = s_open (&open, part->env, false) &&
                s_incarnate (&open, known, node.as == 2 ? 2 : 1, paired, &node.alone, &node.alone_from);
    int code = s_close (&open, part->env, good, error);
    if (!paired)
        node.alone = node.alone_from = 0;
    else
        node.alone_from++;
    if (code == ZB_EXIT_OK) {
        s_tidy (part->env);
        if (s_list (known) != 0 || s_sync_files (known) != 0 || zb_node_save (&node, part->path) != 0 ||
            zb_part_publish (part->folder) != 0)
            code = s_failed (error, "make", part->folder);
    }
    zb_backup_close (&known);
    return code;
}

int zb_backup_restore (const zb_backup_t *self, const char *folder, const char *as, zb_backup_progress_fn *progress,
                       void *arg, char **error)
{
    zb_part_t *part = zb_part_new (folder, error);
    if (!part)
        return ZB_EXIT_USAGE;
    int code = s_copy_files (self, part->env, progress, arg, error);
    if (code == ZB_EXIT_OK)
        code = s_make_store (self, part, as, error);
    zb_part_destroy (&part, code != ZB_EXIT_OK);
    return code;
}
