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

#include "core/page.h"
#include "io/home.h"
#include "io/salvage.h"

#define HEAD "zbroker salvage 1\n"

static bool s_named (const zb_aside_t *aside, uint64_t id)
{
    size_t cursor = 0;
    uint64_t first = 0, last = 0;
    bool bad = false;
    while (zb_acks_next (aside->ids, &cursor, &first, &last, &bad))
        if (id >= first && id <= last)
            return true;
    return false;
}

//  One PUT of those that are named; NULL if none of the piece is.
static zmsg_t *s_put (const zb_aside_t *aside, const zb_row_t *row, const zb_piece_t *piece, int64_t *messages)
{
    zmsg_t *bodies = zmsg_new ();
    char number[21] = "", *ids = NULL;
    uint32_t offset = piece->bodies;
    for (uint32_t index = 0; index < piece->count; index++) {
        uint32_t size = zb_get32 (row->data + piece->sizes + 4 * index);
        if (s_named (aside, piece->first + index)) {
            char *more = zsys_sprintf ("%s%s%" PRIu64, ids ? ids : "", ids ? " " : "", piece->first + index);
            zmsg_addmem (bodies, row->data + offset, size);
            zstr_free (&ids);
            ids = more;
            ++*messages;
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

static int64_t s_write (FILE *file, const zb_aside_t *aside)
{
    int64_t messages = 0;
    size_t offset = 0;
    zb_piece_t piece;
    zb_row_t *row = zb_row_new (aside->row.size);
    memcpy (row->data, aside->row.data, aside->row.size);
    row->size = (uint32_t) aside->row.size;
    fputs (HEAD, file);
    while (zb_log_next (row, &offset, &piece) == 1) {
        zmsg_t *put = s_put (aside, row, &piece, &messages);
        zframe_t *bytes = put ? zmsg_encode (put) : NULL;
        if (bytes) {
            uint8_t size[4];
            zb_put32 (size, (uint32_t) zframe_size (bytes));
            fwrite (size, 1, sizeof size, file);
            fwrite (zframe_data (bytes), 1, zframe_size (bytes), file);
        }
        zframe_destroy (&bytes);
        zmsg_destroy (&put);
    }
    zb_row_unref (&row);
    return ferror (file) ? -1 : messages;
}

int64_t zb_salvage_write (const char *dir, zb_epoch_t loser, const zb_aside_t *aside)
{
    int64_t messages = -1;
    char *folder = zsys_sprintf ("%s/salvage", dir);
    char *path = zsys_sprintf ("%s/%" PRIu64 ".%u-%u-%" PRIu64 ".zb1", folder, loser.number, loser.node,
                               aside->queue_id, aside->last);
    char *part = zsys_sprintf ("%s.part", path);
    assert (folder && path && part);
    //  Messages that were put aside of this row before stay: those named now are added to them.
    zlistx_t *before = zb_salvage_read (path);
    bool made = mkdir (folder, 0700) == 0;
    FILE *file = made || errno == EEXIST ? fopen (part, "w") : NULL;
    if (file) {
        messages = s_write (file, aside);
        for (zmsg_t *put = before ? zlistx_first (before) : NULL; put; put = zlistx_next (before)) {
            zframe_t *bytes = zmsg_encode (put);
            uint8_t size[4];
            zb_put32 (size, (uint32_t) zframe_size (bytes));
            fwrite (size, 1, sizeof size, file);
            fwrite (zframe_data (bytes), 1, zframe_size (bytes), file);
            zframe_destroy (&bytes);
        }
        bool good = messages >= 0 && fflush (file) == 0 && fsync (fileno (file)) == 0;
        good = fclose (file) == 0 && good;
        if (!good || rename (part, path) != 0 || zb_home_sync (folder) != 0 || (made && zb_home_sync (dir) != 0))
            messages = -1;
    }
    zlistx_destroy (&before);
    zstr_free (&folder);
    zstr_free (&path);
    zstr_free (&part);
    return messages;
}

static void s_msg_free (void **item_p)
{
    zmsg_destroy ((zmsg_t **) item_p);
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
