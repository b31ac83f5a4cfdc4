/*  =========================================================================
    level - what a store may hold: which rows, verbs and options

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/frame.h"
#include "core/base/level.h"

//  The one place where a level is given to a version.
static const char *const s_versions[ZB_LEVEL_MOST + 1] = {[1] = "0.1.0", [2] = "0.2.0", [3] = "0.2.0", [4] = "0.2.0"};

zb_level_t zb_level_program (void)
{
    zb_level_t self = {.least = ZB_LEVEL_LEAST, .most = ZB_LEVEL_MOST};
    zb_level_version_copy (self.version, PACKAGE_VERSION, sizeof PACKAGE_VERSION - 1);
    return self;
}

const char *zb_level_version (unsigned level)
{
    return level && level <= ZB_LEVEL_MOST ? s_versions[level] : "?";
}

void zb_level_version_copy (char version[ZB_VERSION_ROOM], const void *text, size_t size)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+~-";
    const char *letter = text;
    size_t length = 0;
    for (size_t index = 0; index < size && letter[index] && length < ZB_VERSION_ROOM - 1; index++)
        if (strchr (letters, letter[index]))
            version[length++] = letter[index];
    memset (version + length, 0, ZB_VERSION_ROOM - length);
}

//  ---------------------------------------------------------------------------------------------------------------
//  As bytes

size_t zb_level_row_encode (unsigned level, uint8_t row[ZB_LEVEL_ROW_MAX])
{
    zb_put32 (row, level);
    size_t size = level > 1 ? strlen (zb_level_version (level)) : 0;
    memcpy (row + 4, zb_level_version (level), size);
    return 4 + size;
}

int zb_level_row_decode (zb_level_t *self, const void *row, size_t size)
{
    const uint8_t *byte = row;
    if (size < 4 || zb_get32 (byte) == 0)
        return -1;
    self->store = zb_get32 (byte);
    zb_level_version_copy (self->needs, byte + 4, size - 4);
    if (!*self->needs)
        snprintf (self->needs, sizeof self->needs, "%s", zb_level_version (self->store));
    return 0;
}

int zb_level_find (zb_level_t *self, const zb_found_t *rows, size_t count)
{
    self->store = 0;
    for (size_t index = 0; index < count; index++)
        if (zb_frame_is ((zb_frame_t){rows[index].key, rows[index].key_size}, "format"))
            return zb_level_row_decode (self, rows[index].row->data, rows[index].row->size);
    return 0;
}

static void s_put16 (uint8_t *byte, unsigned number)
{
    byte[0] = (uint8_t) (number >> 8);
    byte[1] = (uint8_t) number;
}

static unsigned s_get16 (const uint8_t *byte)
{
    return (unsigned) byte[0] << 8 | byte[1];
}

void zb_level_encode (const zb_level_t *self, uint8_t data[ZB_LEVEL_SIZE])
{
    s_put16 (data, self->least);
    s_put16 (data + 2, self->most);
    s_put16 (data + 4, self->store);
    s_put16 (data + 6, self->noted);
    memcpy (data + 8, self->version, ZB_VERSION_ROOM);
    memcpy (data + 8 + ZB_VERSION_ROOM, self->needs, ZB_VERSION_ROOM);
}

void zb_level_decode (zb_level_t *self, const uint8_t data[ZB_LEVEL_SIZE])
{
    self->least = s_get16 (data);
    self->most = s_get16 (data + 2);
    self->store = s_get16 (data + 4);
    self->noted = s_get16 (data + 6);
    zb_level_version_copy (self->version, data + 8, ZB_VERSION_ROOM);
    zb_level_version_copy (self->needs, data + 8 + ZB_VERSION_ROOM, ZB_VERSION_ROOM);
}

//  ---------------------------------------------------------------------------------------------------------------
//  What follows

bool zb_level_reads (const zb_level_t *self, unsigned level)
{
    return !self->most || !level || (self->least <= level && level <= self->most);
}

static bool s_overlap (const zb_level_t *own, const zb_level_t *peer)
{
    return !own->most || !peer->most || (own->least <= peer->most && peer->least <= own->most);
}

bool zb_level_fits (const zb_level_t *own, const zb_level_t *peer)
{
    return zb_level_reads (own, peer->store) && zb_level_reads (peer, own->store) && s_overlap (own, peer);
}

void zb_level_beyond (const zb_level_t *store, char text[ZB_LEVEL_TEXT])
{
    snprintf (text, ZB_LEVEL_TEXT,
              "level %u, which takes zbroker %s or later; this is zbroker " PACKAGE_VERSION
              ", which reads levels %d to "
              "%d",
              store->store, *store->needs ? store->needs : "?", ZB_LEVEL_LEAST, ZB_LEVEL_MOST);
}

void zb_level_misfit (const zb_level_t *own, const zb_level_t *peer, char text[ZB_LEVEL_TEXT])
{
    const char *older = peer->most < own->most ? "the other broker" : "this one";
    if (!zb_level_reads (own, peer->store))
        snprintf (text, ZB_LEVEL_TEXT,
                  "the other broker's store is of level %u, which takes zbroker %s or later; this is zbroker %s, which "
                  "reads levels %u to %u",
                  peer->store, *peer->needs ? peer->needs : peer->version, own->version, own->least, own->most);
    else if (!zb_level_reads (peer, own->store))
        snprintf (text, ZB_LEVEL_TEXT,
                  "this store is of level %u, which takes zbroker %s or later; the other broker is zbroker %s, which "
                  "reads levels %u to %u: update it",
                  own->store, zb_level_version (own->store), peer->version, peer->least, peer->most);
    else
        snprintf (
            text, ZB_LEVEL_TEXT,
            "this is zbroker %s, which reads levels %u to %u, the other broker is zbroker %s, which reads levels %u "
            "to %u: update %s",
            own->version, own->least, own->most, peer->version, peer->least, peer->most, older);
}

unsigned zb_level_common (const zb_level_t *own, const zb_level_t *peer)
{
    return peer->most && peer->most < own->most ? peer->most : own->most;
}

const char *zb_level_lacks (unsigned level, unsigned needs, char text[ZB_LEVEL_TEXT])
{
    if (level >= needs)
        return NULL;
    snprintf (text, ZB_LEVEL_TEXT,
              "the store is of level %u, and this takes level %u: 'zbroker upgrade' tells what is missing to raise it",
              level, needs);
    return text;
}
