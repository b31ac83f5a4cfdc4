/*  =========================================================================
    watch - what who watches a broker is told: what happened lately, and who is there

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    EVENTS and CLIENTS are answered here, by any broker, for who has said no HELLO, too: to watch is no
    vote for a takeover.
*/

#include <arpa/inet.h>
#include <jansson.h>
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

static json_t *s_client (zb_broker_t *self, const zb_engine_client_t *client)
{
    zb_frame_t key;
    char address[INET_ADDRSTRLEN];
    struct in_addr from = {.s_addr = htonl (zb_front_of (self->front, client->routing, &key))};
    const zb_principal_t *who = self->keys ? zb_rights_find (self->rights, key) : NULL;
    inet_ntop (AF_INET, &from, address, sizeof address);
    json_t *name = client->name.size ? json_stringn ((const char *) client->name.data, client->name.size) : json_null ();
    return json_pack ("{s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:b}", "client", (json_int_t) client->number, "name", name,
                      "principal", who ? json_string (who->name) : json_null (), "address",
                      from.s_addr ? json_string (address) : json_null (), "since_ms", (json_int_t) client->age, "silent_ms",
                      (json_int_t) client->silent, "gets", (json_int_t) client->gets, "leased",
                      (json_int_t) client->leased, "puts", (json_int_t) client->puts, "gone", (int) client->gone);
}

void zb_broker_tell_clients (zb_broker_t *self, const zb_request_t *request)
{
    zb_engine_client_t client[ZB_CLIENTS_PAGE];
    uint64_t next;
    size_t count =
        zb_engine_clients (self->engine, request->name, request->position, client, (size_t) request->max, &next);
    json_t *clients = json_array ();
    for (size_t index = 0; index < count; index++)
        json_array_append_new (clients, s_client (self, &client[index]));
    json_t *object =
        json_pack ("{s:o, s:o}", "clients", clients, "next", next ? json_integer ((json_int_t) next) : json_null ());
    char *json = json_dumps (object, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref (object);
    assert (json);
    zb_broker_ok (self, request, json);
    free (json);
}
