/*  =========================================================================
    audit - who was refused what, and what operators have done

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <stdio.h>
#include <string.h>

#include "io/broker/audit.h"

#define TEXT_MOST 300 //  bytes

//  In one line.
static void s_flatten (char *line, zb_frame_t text)
{
    size_t size = text.size < TEXT_MOST ? text.size : TEXT_MOST;
    if (size)
        memcpy (line, text.data, size);
    for (size_t index = 0; index < size; index++)
        line[index] = line[index] == '\n' ? ';' : (unsigned char) line[index] < ' ' ? '?' : line[index];
    strcpy (line + size, text.size > size ? " ..." : "");
}

//  The same as an event.
static void s_event (zb_audit_t *self, zb_audit_kind_t kind, const zb_principal_t *who, uint32_t from, const char *text)
{
    static const zb_event_kind_t kinds[ZB_AUDITS] = {[ZB_AUDIT_DENIED] = ZB_EVENT_REFUSED,
                                                     [ZB_AUDIT_UNPROVEN] = ZB_EVENT_REFUSED,
                                                     [ZB_AUDIT_CROWDED] = ZB_EVENT_CROWDED,
                                                     [ZB_AUDIT_DONE] = ZB_EVENT_OPERATOR};
    if (self->events)
        zb_events_add (self->events, kinds[kind], who ? who->name : NULL, from, text);
}

void zb_audit (zb_audit_t *self, zb_audit_kind_t kind, const zb_principal_t *who, uint32_t from, const char *verb,
               zb_frame_t text, int64_t now)
{
    static const char *const said[ZB_AUDITS] = {[ZB_AUDIT_DENIED] = "is refused",
                                                [ZB_AUDIT_UNPROVEN] = "is refused",
                                                [ZB_AUDIT_CROWDED] = "is closed",
                                                [ZB_AUDIT_DONE] = "of an operator"};
    char line[TEXT_MOST + 8], whole[TEXT_MOST + 100], address[32] = "an unknown address";
    s_flatten (line, text);
    snprintf (whole, sizeof whole, "%s %s%s%s", verb, said[kind], *line ? ": " : "", line);
    s_event (self, kind, who, from, whole);
    if (from)
        snprintf (address, sizeof address, "%u.%u.%u.%u", from >> 24, from >> 16 & 255, from >> 8 & 255, from & 255);
    const char *name = who ? who->name : "somebody";
    if (kind == ZB_AUDIT_DONE)
        zb_log (ZB_LOG_NOTICE, "audit: %s %s, %s at %s%s%s", verb, said[kind], name, address, *line ? ": " : "", line);
    else
        zb_log_rated (&self->rate[kind], now, ZB_LOG_WARNING, "audit: %s %s, %s at %s: %s", verb, said[kind], name,
                      address, line);
}
