/*  =========================================================================
    logline - what a line of the log looks like

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/wire/wire.h"
#include "io/base/logline.h"

//  ISO 8601, with milliseconds and the zone.
static void s_date (char date[48], struct timespec when)
{
    struct tm parts;
    char zone[8];
    localtime_r (&when.tv_sec, &parts);
    size_t size = strftime (date, 40, "%Y-%m-%dT%H:%M:%S", &parts);
    strftime (zone, sizeof zone, "%z", &parts);
    snprintf (date + size, 48 - size, ".%03ld%.3s:%s", when.tv_nsec / 1000000, zone, zone + 3);
}

//  The character at `data`, as it is in the line; its bytes are in *taken.
static const char *s_escape (char escape[8], const uint8_t *data, size_t size, zb_logline_form_t form, size_t *taken)
{
    uint32_t code = 0;
    *taken = zb_utf8 (data, size, &code);
    if (*taken == 0) {
        *taken = 1;
        return "\xEF\xBF\xBD";
    }
    if (code < 0x20 || (code >= 0x7F && code <= 0x9F))
        snprintf (escape, 8, "\\u%04x", (unsigned) code);
    else if (form == ZB_LOGLINE_JSON && (code == '"' || code == '\\'))
        snprintf (escape, 8, "\\%c", (char) code);
    else {
        memcpy (escape, data, *taken);
        escape[*taken] = 0;
    }
    return escape;
}

void zb_logline (char *line, size_t room, zb_logline_form_t form, struct timespec when, const char *level,
                 const char *sender, const char *text)
{
    char date[48];
    s_date (date, when);
    bool json = form == ZB_LOGLINE_JSON;
    const char *tail = json ? "\"}" : "";
    int head = json ? snprintf (line, room, "{\"time\":\"%s\",\"level\":\"%s\",\"from\":\"%s\",\"text\":\"", date,
                                level, sender)
                    : snprintf (line, room, "%s %s %s: ", date, level, sender);
    assert (head > 0 && (size_t) head + strlen (tail) < room);
    size_t size = (size_t) head, most = room - strlen (tail) - 1, length = strlen (text), taken;
    for (const uint8_t *data = (const uint8_t *) text; length; data += taken, length -= taken) {
        char escape[8];
        const char *character = s_escape (escape, data, length, form, &taken);
        size_t bytes = strlen (character);
        if (size + bytes > most)
            break;
        memcpy (line + size, character, bytes);
        size += bytes;
    }
    strcpy (line + size, tail);
}

int zb_logline_form (const char *name, zb_logline_form_t *form)
{
    bool json = strcmp (name, "json") == 0;
    if (!json && strcmp (name, "lines") != 0)
        return -1;
    *form = json ? ZB_LOGLINE_JSON : ZB_LOGLINE_TEXT;
    return 0;
}
