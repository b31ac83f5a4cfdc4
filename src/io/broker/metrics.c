/*  =========================================================================
    metrics - the figures of a broker, a row each

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "io/broker/metrics.h"

#define AT(member)                                                              \
    {                                                                           \
        offsetof (zb_status_t, member), sizeof (((zb_status_t *) NULL)->member) \
    }

static const zb_metric_t s_metrics[] = {
    {"sessions", "clients that have said HELLO", ZB_GAUGE, false, {AT (stats.sessions)}},
    {"queues", "queues of the store", ZB_GAUGE, false, {AT (stats.queues)}},
    {"producers", "names of producers in memory", ZB_GAUGE, false, {AT (stats.producers)}},
    {"names", "names of producers that the store keeps", ZB_GAUGE, false, {AT (stats.names)}},
    {"parked", "GETs that wait for a message", ZB_GAUGE, false, {AT (stats.parked)}},
    {"connections", "connections of clients", ZB_GAUGE, false, {AT (gate.connections)}},
    {"connections_most", "connections of clients that are let in", ZB_GAUGE, false, {AT (gate.most)}},
    {"puts", "PUTs that were stored", ZB_COUNTER, false, {AT (stats.puts)}},
    {"messages_in", "messages that were stored", ZB_COUNTER, false, {AT (stats.messages_in)}},
    {"messages_out", "messages that were delivered", ZB_COUNTER, false, {AT (stats.messages_out)}},
    {"acked", "messages that were acknowledged", ZB_COUNTER, false, {AT (stats.acked)}},
    {"duplicates", "PUTs that were stored before", ZB_COUNTER, false, {AT (stats.duplicates)}},
    {"refused", "requests that were answered ERR", ZB_COUNTER, false, {AT (stats.refused), AT (refused)}},
    {"expired", "messages whose lease ended", ZB_COUNTER, false, {AT (stats.expired)}},
    {"window_bytes", "bytes of messages in memory", ZB_GAUGE, false, {AT (stats.window_bytes)}},
    {"output_bytes", "bytes of replies that clients have not read", ZB_GAUGE, false, {AT (output)}},
    {"not_zb1", "messages that are not ZB1", ZB_COUNTER, true, {AT (not_zb1)}},
    {"oversize", "requests over a limit in all, answered 413", ZB_COUNTER, true, {AT (oversize)}},
    {"undeliverable", "replies to clients that were gone", ZB_COUNTER, true, {AT (undeliverable)}},
    {"unread", "connections whose clients did not read", ZB_COUNTER, true, {AT (cut)}},
    {"beats", "heartbeats that were not the peer's", ZB_COUNTER, true, {AT (beats)}},
    {"epochs", "news of an epoch out of reach", ZB_COUNTER, true, {AT (beats_beyond), AT (rulings_beyond)}},
    {"refused_connections",
     "connections that were closed at once",
     ZB_COUNTER,
     true,
     {AT (gate.refused_full), AT (gate.refused_address), AT (gate.refused_rate)}},
    {"unknown_keys", "handshakes with a key that is not known, or was revoked", ZB_COUNTER, true, {AT (unknown_keys)}},
    {"cut", "connections closed for what they sent", ZB_COUNTER, true, {AT (gate.cut)}},
};

const zb_metric_t *zb_metric (size_t index)
{
    return index < sizeof s_metrics / sizeof *s_metrics ? &s_metrics[index] : NULL;
}

uint64_t zb_metric_read (const zb_metric_t *self, const zb_status_t *status)
{
    uint64_t sum = 0;
    for (size_t index = 0; index < ZB_METRIC_SOURCES && self->source[index].size; index++) {
        const char *source = (const char *) status + self->source[index].offset;
        uint64_t wide;
        uint32_t narrow;
        if (self->source[index].size == sizeof wide) {
            memcpy (&wide, source, sizeof wide);
            sum += wide;
        }
        else {
            assert (self->source[index].size == sizeof narrow);
            memcpy (&narrow, source, sizeof narrow);
            sum += narrow;
        }
    }
    return sum;
}
