/*  =========================================================================
    node - the node's own file: what is never replicated and never rolled back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <inttypes.h>

#include "io/node.h"
#include "io/record.h"

#define NODE_TEXT_MAX 512

static void s_format (const zb_node_t *self, char text[NODE_TEXT_MAX])
{
    int size = snprintf (text, NODE_TEXT_MAX,
                         "zbroker node 1\ncomplete %d\nsuspect %d\nalone %" PRIu64 "\nalone-from %" PRIu64
                         "\ncurrent %" PRIu64 "\n",
                         self->complete, self->suspect, self->alone, self->alone_from, self->current);
    assert (size > 0 && size < NODE_TEXT_MAX);
}

//  Whole text at once: what sscanf takes from it must format to the very same bytes, so nothing lenient gets in.
static bool s_parse (zb_node_t *self, const char *text)
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
    s_format (&node, again);
    if (strcmp (again, text) != 0)
        return false;
    *self = node;
    return true;
}

zb_node_state_t zb_node_load (zb_node_t *self, const char *dir)
{
    char *text;
    zb_node_state_t state = ZB_NODE_DAMAGED;
    switch (zb_record_load (dir, "node", &text)) {
    case ZB_RECORD_FOUND:
        state = s_parse (self, text) ? ZB_NODE_FOUND : ZB_NODE_DAMAGED;
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

int zb_node_save (const zb_node_t *self, const char *dir)
{
    char text[NODE_TEXT_MAX];
    s_format (self, text);
    return zb_record_save (dir, "node", text);
}
