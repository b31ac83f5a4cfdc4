/*  =========================================================================
    config_pair - what both brokers of a pair should have alike

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "io/base/config_pair.h"
#include "io/base/config_set.h"

static bool s_is_common (const char *path)
{
    static const char *const common[] = {"pair/witness",   "pair/peer-loss",  "pair/heartbeat", "pair/silence",
                                         "pair/ack-limit", "pair/turn-limit", "pair/disk-limit"};
    bool found = strncmp (path, "limits/", strlen ("limits/")) == 0;
    for (size_t index = 0; !found && index < sizeof common / sizeof *common; index++)
        found = streq (path, common[index]);
    return found;
}

char *zb_config_tell (const zb_config_t *self)
{
    char *text = strdup ("");
    for (size_t index = 0; index < zb_config_settings (); index++) {
        if (!s_is_common (zb_config_path (index)))
            continue;
        char *value = zb_config_text (self, index);
        char *more = zsys_sprintf ("%s%s = %s\n", text, zb_config_path (index), value);
        assert (value && more);
        free (value);
        free (text);
        text = more;
    }
    return text;
}

//  The value in the line that begins with this name, and its size; NULL if there is none.
static const char *s_line (const char *text, const char *name, size_t name_size, size_t *size)
{
    while (*text) {
        size_t line = strcspn (text, "\n");
        if (line >= name_size && memcmp (text, name, name_size) == 0) {
            *size = line - name_size;
            return text + name_size;
        }
        text += line + (text[line] == '\n');
    }
    return NULL;
}

char *zb_config_differs (const char *own, const char *theirs)
{
    char *text = NULL;
    for (const char *line = own; *line; line += strcspn (line, "\n") + 1) {
        const char *sign = strstr (line, " = ");
        if (!sign)
            break;
        size_t name = (size_t) (sign - line), here = strcspn (sign + 3, "\n"), there;
        const char *other = s_line (theirs, line, name + 3, &there);
        if (!other || (here == there && memcmp (sign + 3, other, here) == 0))
            continue;
        char *more = zsys_sprintf ("%s%s%.*s is %.*s here and %.*s there", text ? text : "", text ? ", " : "",
                                   (int) name, line, (int) here, sign + 3, (int) there, other);
        assert (more);
        free (text);
        text = more;
    }
    return text;
}
