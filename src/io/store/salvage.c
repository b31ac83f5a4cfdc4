/*  =========================================================================
    salvage - messages that could not be replayed, in files

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/queue/rows.h"
#include "io/store/folder.h"
#include "io/store/home.h"
#include "io/store/salvage.h"

#define HEAD "zbroker salvage 1\n"

//  The ids of what was put aside before.
static zb_spans_t s_kept (zlistx_t *before)
{
    zb_spans_t kept = {NULL, 0, 0}, ids = {NULL, 0, 0};
    for (zmsg_t *put = zlistx_first (before); put; put = zlistx_next (before)) {
        zmsg_first (put);
        zmsg_next (put);
        zmsg_next (put);
        zframe_t *text = zmsg_next (put);
        zb_spans_parse (&ids, (zb_frame_t){zframe_data (text), zframe_size (text)});
        for (size_t index = 0; index < ids.size; index++)
            zb_spans_add (&kept, ids.span[index].first, ids.span[index].last);
    }
    zb_spans_clear (&ids);
    kept.size = zb_spans_join (kept.span, kept.size);
    return kept;
}

//  One PUT of those that are named and not kept yet; NULL if none of the piece is.
static zmsg_t *s_put (const zb_aside_t *aside, const zb_row_t *row, const zb_piece_t *piece, const zb_spans_t *kept,
                      int64_t *messages)
{
    zmsg_t *bodies = zmsg_new ();
    char number[21] = "", *ids = NULL;
    uint32_t offset = piece->bodies;
    for (uint32_t index = 0; index < piece->count; index++) {
        uint32_t size = zb_get32 (row->data + piece->sizes + 4 * index);
        bool named = zb_spans_have (aside->span, aside->spans, piece->first + index);
        *messages += named;
        if (named && !zb_spans_have (kept->span, kept->size, piece->first + index)) {
            char *more = zsys_sprintf ("%s%s%" PRIu64, ids ? ids : "", ids ? " " : "", piece->first + index);
            zmsg_addmem (bodies, row->data + offset, size);
            zstr_free (&ids);
            ids = more;
        }
        offset += size;
    }
    if (!ids) {
        zmsg_destroy (&bodies);
        return NULL;
    }
    if (piece->number)
        zb_number_format (piece->number, number);
    zmsg_t *put = zmsg_new ();
    zmsg_addstr (put, aside->word);
    zmsg_addmem (put, piece->name.data, piece->name.size);
    zmsg_addstr (put, number);
    zmsg_addstr (put, ids);
    zmsg_addstr (put, "");
    zmsg_addstr (put, "ZB1");
    zmsg_addstr (put, "PUT");
    zmsg_addstr (put, "1");
    zmsg_addmem (put, aside->queue.data, aside->queue.size);
    zmsg_addmem (put, piece->properties.data, piece->properties.size);
    for (zframe_t *body = zmsg_pop (bodies); body; body = zmsg_pop (bodies))
        zmsg_append (put, &body);
    zmsg_destroy (&bodies);
    zstr_free (&ids);
    return put;
}

static void s_msg_free (void **item_p)
{
    zmsg_destroy ((zmsg_t **) item_p);
}

//  The PUTs of what is put aside now for the first time; adds up the messages of all.
static zlistx_t *s_puts (const zb_aside_t *aside, zlistx_t *before, int64_t *messages)
{
    zlistx_t *puts = zlistx_new ();
    zlistx_set_destructor (puts, s_msg_free);
    size_t offset = 0;
    zb_piece_t piece;
    zb_row_t *row = zb_row_new (aside->row.size);
    memcpy (row->data, aside->row.data, aside->row.size);
    row->size = (uint32_t) aside->row.size;
    zb_spans_t kept = s_kept (before);
    while (zb_log_next (row, &offset, &piece) == 1) {
        zmsg_t *put = s_put (aside, row, &piece, &kept, messages);
        if (put)
            zlistx_add_end (puts, put);
    }
    zb_spans_clear (&kept);
    zb_row_unref (&row);
    return puts;
}

static void s_write (FILE *file, zlistx_t *puts)
{
    for (zmsg_t *put = zlistx_first (puts); put; put = zlistx_next (puts)) {
        zframe_t *bytes = zmsg_encode (put);
        uint8_t size[4];
        zb_put32 (size, (uint32_t) zframe_size (bytes));
        fwrite (size, 1, sizeof size, file);
        fwrite (zframe_data (bytes), 1, zframe_size (bytes), file);
        zframe_destroy (&bytes);
    }
}

//  What was put aside of this row before, also if an operator has replayed it since; NULL if that can't be read.
static zlistx_t *s_before (const char *path)
{
    char *replayed = zsys_sprintf ("%s.replayed", path);
    zlistx_t *before = zb_salvage_read (path);
    if (!before && errno == ENOENT)
        before = zb_salvage_read (replayed);
    if (!before && errno == ENOENT)
        before = zlistx_new ();
    zstr_free (&replayed);
    return before;
}

//  Opens the file beside, new: what lies there is left of a crash, or is somebody else's.
static FILE *s_make (const char *path)
{
    if (unlink (path) != 0 && errno != ENOENT)
        return NULL;
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? NULL : fdopen (fd, "w");
}

//  Replaces the file; false and errno if that is impossible.
static bool s_replace (const char *dir, const char *folder, const char *path, zlistx_t *before, zlistx_t *puts)
{
    char *part = zsys_sprintf ("%s.part", path);
    bool made = mkdir (folder, 0700) == 0;
    FILE *file = made || errno == EEXIST ? s_make (part) : NULL;
    bool good = file != NULL;
    if (file) {
        //  What was there stays in its place: `zbroker salvage replay` numbers the PUTs by it.
        fputs (HEAD, file);
        s_write (file, before);
        s_write (file, puts);
        good = fflush (file) == 0 && !ferror (file) && fsync (fileno (file)) == 0;
        good = fclose (file) == 0 && good;
        good = good && rename (part, path) == 0 && zb_folder_sync (folder) == 0 && (!made || zb_folder_sync (dir) == 0);
    }
    zstr_free (&part);
    return good;
}

int64_t zb_salvage_write (const char *dir, zb_epoch_t loser, const zb_aside_t *aside)
{
    int64_t messages = 0;
    char *folder = zsys_sprintf ("%s/salvage", dir);
    char *path = zsys_sprintf ("%s/%" PRIu64 ".%u-%u-%" PRIu64 ".zb1", folder, loser.number, loser.node,
                               aside->queue_id, aside->last);
    assert (folder && path);
    zlistx_t *before = s_before (path);
    zlistx_t *puts = before ? s_puts (aside, before, &messages) : NULL;
    if (!before || (zlistx_size (puts) && !s_replace (dir, folder, path, before, puts)))
        messages = -1;
    zlistx_destroy (&puts);
    zlistx_destroy (&before);
    zstr_free (&folder);
    zstr_free (&path);
    return messages;
}

static void s_text_free (void **item_p)
{
    zstr_free ((char **) item_p);
}

//  Reads the next PUT: 1, 0 at the end, -1 if the file is damaged.
static int s_next (FILE *file, zlistx_t *list)
{
    uint8_t head[4];
    size_t got = fread (head, 1, sizeof head, file);
    if (got == 0)
        return ferror (file) ? -1 : 0;
    uint32_t size = zb_get32 (head);
    zframe_t *bytes = got == sizeof head && size < INT32_MAX ? zframe_new (NULL, size) : NULL;
    zmsg_t *put = NULL;
    if (bytes && fread (zframe_data (bytes), 1, size, file) == size)
        put = zmsg_decode (bytes);
    zframe_destroy (&bytes);
    if (!put || zmsg_size (put) < 11) {
        zmsg_destroy (&put);
        return -1;
    }
    zlistx_add_end (list, put);
    return 1;
}

zlistx_t *zb_salvage_read (const char *path)
{
    FILE *file = fopen (path, "r");
    if (!file)
        return NULL;
    char head[sizeof HEAD] = "";
    zlistx_t *list = zlistx_new ();
    zlistx_set_destructor (list, s_msg_free);
    int rc = fread (head, 1, strlen (HEAD), file) == strlen (HEAD) && streq (head, HEAD) ? 1 : -1;
    while (rc == 1)
        rc = s_next (file, list);
    fclose (file);
    if (rc == -1) {
        zlistx_destroy (&list);
        errno = EINVAL;
    }
    return list;
}

static int s_compare (const void *one, const void *other)
{
    return strcmp (*(char *const *) one, *(char *const *) other);
}

zlistx_t *zb_salvage_files (const char *dir)
{
    zlistx_t *list = zlistx_new ();
    zlistx_set_destructor (list, s_text_free);
    char *folder = zsys_sprintf ("%s/salvage", dir);
    DIR *open = opendir (folder);
    char **name = NULL;
    size_t names = 0;
    for (struct dirent *entry = open ? readdir (open) : NULL; entry; entry = readdir (open)) {
        size_t size = strlen (entry->d_name);
        if (size < 4 || !streq (entry->d_name + size - 4, ".zb1"))
            continue;
        name = realloc (name, (names + 1) * sizeof *name);
        assert (name);
        name[names++] = zsys_sprintf ("%s/%s", folder, entry->d_name);
    }
    if (open)
        closedir (open);
    if (names)
        qsort (name, names, sizeof *name, s_compare);
    for (size_t index = 0; index < names; index++)
        zlistx_add_end (list, name[index]);
    free (name);
    zstr_free (&folder);
    return list;
}
