/*  =========================================================================
    node - the node's own file: what is never replicated and never rolled back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <fcntl.h>
#include <inttypes.h>

#include "io/home.h"
#include "io/node.h"

#define NODE_TEXT_MAX 512

//  FNV-1a: guards against damage, not against people.
static uint64_t s_check (const char *text, size_t size)
{
    uint64_t check = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        check = (check ^ (uint8_t) text[i]) * 0x100000001b3u;
    return check;
}

//  Writes the text with its checksum line; returns its size.
static size_t s_format (const zb_node_t *self, char text[NODE_TEXT_MAX])
{
    int size = snprintf (text, NODE_TEXT_MAX,
                         "zbroker node 1\ncomplete %d\nsuspect %d\nalone %" PRIu64 "\nalone-from %" PRIu64
                         "\ncurrent %" PRIu64 "\n",
                         self->complete, self->suspect, self->alone, self->alone_from, self->current);
    size +=
        snprintf (text + size, NODE_TEXT_MAX - (size_t) size, "check %016" PRIx64 "\n", s_check (text, (size_t) size));
    assert (size > 0 && size < NODE_TEXT_MAX);
    return (size_t) size;
}

//  Whole text at once: what sscanf takes from it must format to the very same bytes, so nothing lenient gets in.
static bool s_parse (zb_node_t *self, const char *text, size_t size)
{
    unsigned complete, suspect;
    zb_node_t node = {0};
    if (sscanf (text,
                "zbroker node 1\ncomplete %u\nsuspect %u\nalone %" SCNu64 "\nalone-from %" SCNu64 "\ncurrent %" SCNu64,
                &complete, &suspect, &node.alone, &node.alone_from, &node.current) != 5)
        return false;
    node.complete = complete == 1;
    node.suspect = suspect == 1;
    char again[NODE_TEXT_MAX];
    if (s_format (&node, again) != size || memcmp (again, text, size))
        return false;
    *self = node;
    return true;
}

zb_node_state_t zb_node_load (zb_node_t *self, const char *dir)
{
    char *path = zsys_sprintf ("%s/node", dir);
    assert (path);
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    freen (path);
    if (fd < 0) {
        if (errno != ENOENT)
            return ZB_NODE_ERROR;
        *self = (zb_node_t){0};
        return ZB_NODE_ABSENT;
    }
    char text[NODE_TEXT_MAX];
    ssize_t size = read (fd, text, sizeof (text) - 1);
    int error = errno;
    close (fd);
    if (size < 0) {
        errno = error;
        return ZB_NODE_ERROR;
    }
    text[size] = 0;
    return s_parse (self, text, (size_t) size) ? ZB_NODE_FOUND : ZB_NODE_DAMAGED;
}

//  Writes and syncs the file beside; 0, or -1 and errno.
static int s_write (const char *path, const char *text, size_t size)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    ssize_t written = write (fd, text, size);
    if (written >= 0 && (size_t) written < size)
        errno = ENOSPC;
    int rc = written == (ssize_t) size && fsync (fd) == 0 ? 0 : -1;
    int error = errno;
    close (fd);
    errno = error;
    return rc;
}

int zb_node_save (const zb_node_t *self, const char *dir)
{
    char text[NODE_TEXT_MAX];
    size_t size = s_format (self, text);
    char *fresh = zsys_sprintf ("%s/node.new", dir);
    char *path = zsys_sprintf ("%s/node", dir);
    assert (fresh && path);
    int rc = s_write (fresh, text, size);
    if (rc == 0)
        rc = rename (fresh, path);
    int error = errno;
    freen (fresh);
    freen (path);
    errno = error;
    return rc == 0 ? zb_home_sync (dir) : -1;
}
