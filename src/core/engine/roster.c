/*  =========================================================================
    roster - CLIENTS: the sessions, in the order in which they began

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>

#include "core/engine/engine_self.h"

//  Place of the first session whose number is larger.
static size_t s_behind (const zb_engine_t *self, uint64_t number)
{
    size_t low = 0, high = self->roster.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (((const zb_session_t *) zb_deck_at (&self->roster, middle))->number <= number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void zb_engine_strike (zb_engine_t *self, const zb_session_t *session)
{
    size_t place = s_behind (self, session->number - 1);
    assert (zb_deck_at (&self->roster, place) == session);
    zb_deck_remove (&self->roster, place);
}

//  PUTs of the session's name that are not answered yet.
static size_t s_puts (const zb_engine_t *self, const zb_session_t *session)
{
    zb_entry_t *entry = session->name.size ? zb_map_find (&self->producers, session->name) : NULL;
    return entry ? ZB_ITEM (entry, zb_producer_t, entry)->inflight : 0;
}

size_t zb_engine_clients (zb_engine_t *self, zb_frame_t pattern, uint64_t after, zb_engine_client_t *client, size_t max,
                          uint64_t *next)
{
    size_t count = 0, looked = 0;
    *next = 0;
    if (!self->leads)
        return 0;
    size_t place = s_behind (self, after);
    for (; place < self->roster.count && looked < ZB_CLIENTS_LOOKED && count < max; place++, looked++) {
        const zb_session_t *session = (const zb_session_t *) zb_deck_at (&self->roster, place);
        after = session->number;
        if (!zb_name_match (pattern, session->name))
            continue;
        client[count++] = (zb_engine_client_t){.number = session->number,
                                               .routing = session->routing,
                                               .name = session->name,
                                               .age = self->now - session->since,
                                               .silent = self->now - session->heard,
                                               .gone = session->gone,
                                               .gets = session->asked,
                                               .leased = session->leased,
                                               .puts = s_puts (self, session)};
    }
    zb_engine_visited (self, looked);
    *next = place < self->roster.count ? after : 0;
    return count;
}
