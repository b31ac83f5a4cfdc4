/*  =========================================================================
    properties - lines that are made one by one

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire/wire.h"
#include "zbroker.h"

struct zb_properties {
    char *lines; //  with a zero behind them, and no newline at their end
    size_t size;
    const char *wrong;
};

static void s_write (zb_properties_t *self, char *lines)
{
    free (self->lines);
    self->lines = lines;
    self->size = strlen (lines);
}

//  The lines without those of this name, with room for `more` bytes behind them; freed by the caller.
static char *s_without (const zb_properties_t *self, const char *name, size_t more)
{
    char *lines = (char *) malloc (self->size + more + 1);
    assert (lines);
    size_t size = 0, cursor = 0;
    zb_frame_t all = {self->lines, self->size}, key, value;
    for (size_t start = 0; zb_lines_next (all, &cursor, &key, &value); start = cursor) {
        if (zb_frame_is (key, name))
            continue;
        if (size)
            lines[size++] = '\n';
        memcpy (lines + size, self->lines + start, cursor - 1 - start);
        size += cursor - 1 - start;
    }
    lines[size] = 0;
    return lines;
}

zb_properties_t *zb_properties_new (void)
{
    zb_properties_t *self = (zb_properties_t *) calloc (1, sizeof (*self));
    assert (self);
    s_write (self, strdup (""));
    return self;
}

void zb_properties_destroy (zb_properties_t **self_p)
{
    assert (self_p);
    zb_properties_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    free (self->lines);
    free (self);
}

int zb_properties_set (zb_properties_t *self, const char *name, const char *value)
{
    assert (self && name);
    if (!value) {
        s_write (self, s_without (self, name, 0));
        return 0;
    }
    size_t size = strlen (name) + strlen (value) + 2;
    char *line = (char *) malloc (size);
    assert (line);
    snprintf (line, size, "%s=%s", name, value);
    //  One line, whose first '=' ends the name: what has more in it would be other properties than those that are named.
    const char *wrong = *name && !strpbrk (name, "=\n") && !strchr (value, '\n')
                            ? zb_lines_check (zb_frame (line))
                            : "a name is not empty and has no '=', and neither it nor a value has a newline";
    if (wrong)
        self->wrong = wrong;
    else {
        char *lines = s_without (self, name, size);
        if (*lines)
            strcat (lines, "\n");
        strcat (lines, line);
        s_write (self, lines);
    }
    free (line);
    return wrong ? -1 : 0;
}

int zb_properties_set_number (zb_properties_t *self, const char *name, uint64_t value)
{
    char text[24];
    snprintf (text, sizeof (text), "%" PRIu64, value);
    return zb_properties_set (self, name, text);
}

int zb_properties_set_acks (zb_properties_t *self, const char *queue, const char *ids)
{
    assert (self && queue);
    if (!ids)
        return zb_properties_set (self, "acks", NULL);
    const char *wrong = zb_place_check (zb_frame (queue));
    //  Anything else is a property of the program's own to the broker, and would acknowledge nothing.
    if (!wrong && (!*ids || *ids == ' ' || ids[strspn (ids, "0123456789 ")]))
        wrong = "acks are ids with a space between, no ranges";
    if (wrong) {
        self->wrong = wrong;
        return -1;
    }
    size_t size = strlen (queue) + strlen (ids) + 2;
    char *value = (char *) malloc (size);
    assert (value);
    snprintf (value, size, "%s %s", queue, ids);
    int rc = zb_properties_set (self, "acks", value);
    free (value);
    return rc;
}

const char *zb_properties_lines (const zb_properties_t *self)
{
    return self ? self->lines : "";
}

const char *zb_properties_wrong (const zb_properties_t *self)
{
    return self && self->wrong ? self->wrong : "";
}
