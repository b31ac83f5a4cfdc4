/*  =========================================================================
    watch - what who watches a broker is told: what happened lately

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    EVENTS is answered here, by any broker, for who has said no HELLO, too: to watch is no
    vote for a takeover.
*/

#include <arpa/inet.h>
#include <stdarg.h>
#include <czmq.h>

#include "io/broker/broker_self.h"

void zb_broker_say (zb_broker_t *self, zb_event_kind_t kind, zb_log_level_t level, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    char *text = zsys_vprintf (format, arguments);
    va_end (arguments);
    assert (text);
    zb_log (level, "%s", text);
    zb_events_add (self->events, kind, NULL, 0, text);
    freen (text);
}

void zb_broker_watch_handshakes (zb_broker_t *self)
{
    char address[ZB_AUTH_ADDRESS], text[ZB_AUTH_ADDRESS + 100];
    uint64_t refused = self->auth ? zb_auth_refused_last (self->auth, address) : 0;
    if (refused == self->handshakes)
        return;
    self->handshakes = refused;
    struct in_addr from = {0};
    bool known = inet_pton (AF_INET, address, &from) == 1;
    snprintf (text, sizeof text, "a connection of %s was turned away: its key is not known (%" PRIu64 " so far)", address,
              refused);
    zb_events_add (self->events, ZB_EVENT_HANDSHAKE, NULL, known ? ntohl (from.s_addr) : 0, text);
}

void zb_broker_tell_events (zb_broker_t *self, const zb_request_t *request)
{
    static const char *const nodes[] = {"single", "primary", "backup"};
    char *json = zb_events_json (self->events, nodes[self->config->as], request->position, request->max);
    zb_broker_ok (self, request, json);
    free (json);
}
