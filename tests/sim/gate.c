/*  =========================================================================
    gate - io/base/gate over the virtual network: who is connected, and whose end is told

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Nobody here sends what is out of bounds, so there is nothing to refuse.  A descriptor
    is never used again, so that it is the number of its connection, too.
*/

#include <assert.h>
#include <stdlib.h>

#include "io/base/gate.h"
#include "net.h"

typedef struct watch {
    struct watch *next;
    const process_t *process;
    uint64_t number;
    bool ended;
} watch_t;

static watch_t *s_watches;

//  A process that begins has no connection, whoever had its place before it.
size_t zb_gate_open (const zb_limits_t *limits, size_t *files)
{
    (void) limits;
    *files = 2000;
    for (watch_t **at = &s_watches; *at;) {
        watch_t *watch = *at;
        if (watch->process == process_self ()) {
            *at = watch->next;
            free (watch);
        }
        else
            at = &watch->next;
    }
    return 1000;
}

void zb_gate_guard (zb_gate_t gate, const char *endpoint)
{
    (void) gate;
    (void) endpoint;
}

uint32_t zb_gate_address (uint64_t number)
{
    (void) number;
    return 0;
}

bool zb_gate_watch (uint64_t number)
{
    if (!net_end ((int) number))
        return false;
    watch_t *watch = calloc (1, sizeof *watch);
    assert (watch);
    *watch = (watch_t){.process = process_self (), .number = number, .next = s_watches};
    s_watches = watch;
    return true;
}

void zb_gate_pause (uint64_t number, bool pause)
{
    (void) number;
    (void) pause;
}

uint64_t zb_gate_ended (void)
{
    for (watch_t **at = &s_watches; *at; at = &(*at)->next) {
        watch_t *watch = *at;
        if (watch->ended && watch->process == process_self ()) {
            uint64_t number = watch->number;
            *at = watch->next;
            free (watch);
            return number;
        }
    }
    return 0;
}

void gate_end (const end_t *self)
{
    for (watch_t *watch = s_watches; watch; watch = watch->next)
        if (watch->number == (uint64_t) self->descriptor)
            watch->ended = true;
}

void zb_gate_cut (uint64_t number)
{
    (void) number;
}

void zb_gate_trust (uint64_t number)
{
    (void) number;
}

uint64_t zb_gate_read (zb_gate_t gate, int descriptor)
{
    (void) gate;
    return descriptor > 0 && net_end (descriptor) ? (uint64_t) descriptor : 0;
}

//  Nothing is encrypted here.
void zb_gate_key (const uint8_t *key)
{
    (void) key;
}

void zb_gate_idle (zb_gate_t gate)
{
    (void) gate;
}

void zb_gate_stats (zb_gate_stats_t *stats)
{
    *stats = (zb_gate_stats_t){0};
}
