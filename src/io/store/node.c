/*  =========================================================================
    node - the node's own file: what is never replicated and never rolled back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <inttypes.h>

#include "core/base/level.h"
#include "io/store/node.h"
#include "io/store/record.h"

#define NODE_TEXT_MAX 512

static const char *const s_names[] = {"-", "primary", "backup"};
#define NAMES (sizeof s_names / sizeof *s_names)

const char *zb_node_name (unsigned as)
{
    return s_names[as];
}

static void s_format (const zb_node_t *self, unsigned version, char text[NODE_TEXT_MAX])
{
    char as[64] = "", filling[40] = "";
    if (version > 1) {
        snprintf (as, sizeof as, "level %u %s\nas %s\n", self->level,
                  self->level ? zb_level_version (self->level) : "-", s_names[self->as]);
        snprintf (filling, sizeof filling, "filling %" PRIu64 "\n", self->filling);
    }
    int size =
        snprintf (text, NODE_TEXT_MAX,
                  "zbroker node %u\n%scomplete %d\nsuspect %d\nalone %" PRIu64 "\nalone-from %" PRIu64
                  "\ncurrent %" PRIu64 "\n%s",
                  version, as, self->complete, self->suspect, self->alone, self->alone_from, self->current, filling);
    assert (size > 0 && size < NODE_TEXT_MAX);
}

static int s_scan (zb_node_t *self, unsigned version, const char *text)
{
    unsigned complete, suspect;
    char as[8] = "-";
    int got = version == 1 ? sscanf (text,
                                     "zbroker node 1\ncomplete %u\nsuspect %u\nalone %" SCNu64 "\nalone-from %" SCNu64
                                     "\ncurrent %" SCNu64,
                                     &complete, &suspect, &self->alone, &self->alone_from, &self->current) -
                                 5
                           : sscanf (text,
                                     "zbroker node 2\nlevel %u %*s\nas %7s\ncomplete %u\nsuspect %u\nalone %" SCNu64
                                     "\nalone-from %" SCNu64 "\ncurrent %" SCNu64 "\nfilling %" SCNu64,
                                     &self->level, as, &complete, &suspect, &self->alone, &self->alone_from,
                                     &self->current, &self->filling) -
                                 8;
    if (got != 0)
        return -1;
    self->complete = complete == 1;
    self->suspect = suspect == 1;
    while (self->as < NAMES && !streq (as, s_names[self->as]))
        self->as++;
    return self->as < NAMES ? 0 : -1;
}

//  Whole text at once: what sscanf takes from it must format to the very same bytes, so nothing lenient gets in.
static bool s_parse (zb_node_t *self, const char *text)
{
    unsigned version = strncmp (text, "zbroker node 1\n", 15) == 0 ? 1 : 2;
    zb_node_t node = {0};
    if (s_scan (&node, version, text))
        return false;
    char again[NODE_TEXT_MAX];
    s_format (&node, version, again);
    if (strcmp (again, text) != 0)
        return false;
    //  With no store that counts, any folder may be one that an operator has brought back.
    if (version == 1 && node.current)
        node.filling = ZB_FILLING_ANY;
    if (version == 1)
        node.level = 1;
    *self = node;
    return true;
}

//  The level that the first two lines name, and the version that it takes; false if that is read here.
static bool s_is_beyond (const char *text, zb_level_t *level)
{
    unsigned version;
    char needs[ZB_VERSION_ROOM];
    *level = (zb_level_t){0};
    if (sscanf (text, "zbroker node %u\nlevel %u %15s", &version, &level->store, needs) != 3)
        return false;
    zb_level_version_copy (level->needs, needs, strlen (needs));
    zb_level_t own = zb_level_program ();
    return !zb_level_reads (&own, level->store);
}

zb_node_state_t zb_node_load (zb_node_t *self, const char *dir)
{
    char *text;
    zb_level_t level;
    zb_node_state_t state = ZB_NODE_DAMAGED;
    switch (zb_record_load (dir, "node", &text)) {
    case ZB_RECORD_FOUND:
        state = s_is_beyond (text, &level) ? ZB_NODE_BEYOND : s_parse (self, text) ? ZB_NODE_FOUND : ZB_NODE_DAMAGED;
        break;
    case ZB_RECORD_ABSENT:
        *self = (zb_node_t){0};
        state = ZB_NODE_ABSENT;
        break;
    case ZB_RECORD_ERROR:
        state = ZB_NODE_ERROR;
        break;
    case ZB_RECORD_DAMAGED:
        break;
    }
    free (text);
    return state;
}

char *zb_node_beyond (const char *dir)
{
    char *text, needs[ZB_LEVEL_TEXT];
    zb_level_t level = {0};
    if (zb_record_load (dir, "node", &text) == ZB_RECORD_FOUND)
        s_is_beyond (text, &level);
    free (text);
    zb_level_beyond (&level, needs);
    text = zsys_sprintf ("the store in %s is of %s. Nothing was changed", dir, needs);
    assert (text);
    return text;
}

zb_record_t *zb_node_prepare (const zb_node_t *self, const char *dir)
{
    char text[NODE_TEXT_MAX];
    s_format (self, 2, text);
    return zb_record_prepare (dir, "node", text);
}

int zb_node_save (const zb_node_t *self, const char *dir)
{
    zb_record_t *record = zb_node_prepare (self, dir);
    return record ? zb_record_commit (&record) : -1;
}
