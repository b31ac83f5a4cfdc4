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

#define G ZB_GAUGE
#define C ZB_COUNTER

static const zb_metric_t s_metrics[] = {
    //  What STATUS says of the pair.
    {NULL, "role", "what this broker is now", ZB_STATES, "role{role}", 1, "active passive waiting", {{0}}},
    {NULL,
     "level",
     "what an OK says now, hold while nothing is answered",
     ZB_STATES,
     "level{level}",
     1,
     "both solo shared single hold",
     {{0}}},
    {NULL,
     "in_sync",
     "both brokers are up and either may be lost: the passive one has everything and may take over",
     G,
     "in_sync",
     1,
     NULL,
     {{0}}},
    {NULL,
     "alone",
     "this broker has answered without its peer, which has not got that yet",
     G,
     "alone",
     1,
     NULL,
     {{0}}},
    {NULL, "epoch", "the newest leadership", G, "epoch", 1, NULL, {{0}}},
    {"peer", "heard", "the other broker's heartbeats come", G, "peer_heard", 1, NULL, {{0}}},
    {"peer", "silent_ms", "since the other broker's last heartbeat", G, "peer_silence_seconds", 1000, NULL, {{0}}},
    {"peer", "lag", "commits that the other broker has not synced", G, "replication_lag_commits", 1, NULL, {{0}}},
    {"peer", "lag_bytes", "bytes of these", G, "replication_lag_bytes", 1, NULL, {{0}}},
    {"peer", "lag_ms", "since it had all of them", G, "replication_lag_seconds", 1000, NULL, {{0}}},
    {"disk", "free", "bytes that are free on the store's disk", G, "disk_free_bytes", 1, NULL, {{0}}},
    {"disk", "full", "the disk is nearly full, and PUT is refused", G, "disk_full", 1, NULL, {{0}}},
    {NULL, "solo_ms", "time in which clients were answered alone", C, "solo_seconds_total", 1000, NULL, {AT (solo_ms)}},
    {NULL,
     "sync_us",
     "from a commit's handing over to the store until it is synced on this disk",
     ZB_DELAYED,
     "sync_seconds",
     1000000,
     NULL,
     {{0}}},
    {NULL, "put_us", "from a PUT's coming until its OK is sent", ZB_DELAYED, "put_seconds", 1000000, NULL, {{0}}},
    {NULL, "log_bytes", "bytes of commits that were made", C, "log_bytes_total", 1, NULL, {AT (lag.bytes)}},
    //  Leaderships that this broker began.
    {"takeovers",
     "start",
     "none was heard to lead before",
     C,
     "takeovers_total{cause=\"start\"}",
     1,
     NULL,
     {AT (takeovers[ZB_TAKEOVER_START])}},
    {"takeovers",
     "peer_lost",
     "the other one led, and was lost",
     C,
     "takeovers_total{cause=\"peer_lost\"}",
     1,
     NULL,
     {AT (takeovers[ZB_TAKEOVER_LOST])}},
    {"takeovers",
     "switchover",
     "the other one has handed the role over",
     C,
     "takeovers_total{cause=\"switchover\"}",
     1,
     NULL,
     {AT (takeovers[ZB_TAKEOVER_SWITCHOVER])}},
    {"takeovers",
     "promoted",
     "an operator said so",
     C,
     "takeovers_total{cause=\"promoted\"}",
     1,
     NULL,
     {AT (takeovers[ZB_TAKEOVER_PROMOTED])}},
    //  What there is, and what was done.
    {NULL, "sessions", "clients that have said HELLO", G, "sessions", 1, NULL, {AT (stats.sessions)}},
    {NULL, "queues", "queues of the store", G, "queues", 1, NULL, {AT (stats.queues)}},
    {NULL, "producers", "names of producers in memory", G, NULL, 1, NULL, {AT (stats.producers)}},
    {NULL, "names", "names of producers that the store keeps", G, "producer_names", 1, NULL, {AT (stats.names)}},
    {NULL, "parked", "GETs that wait for a message", G, "gets_waiting", 1, NULL, {AT (stats.parked)}},
    {NULL, "connections", "connections of clients", G, "connections", 1, NULL, {AT (gate.connections)}},
    {NULL,
     "connections_most",
     "connections of clients that are let in",
     G,
     "connections_limit",
     1,
     NULL,
     {AT (gate.most)}},
    {NULL, "puts", "PUTs that were stored", C, "puts_total", 1, NULL, {AT (stats.puts)}},
    {NULL, "messages_in", "messages that were stored", C, "messages_stored_total", 1, NULL, {AT (stats.messages_in)}},
    {NULL,
     "messages_out",
     "messages that were delivered",
     C,
     "messages_delivered_total",
     1,
     NULL,
     {AT (stats.messages_out)}},
    {NULL,
     "redelivered",
     "of these, such as were delivered before",
     C,
     "messages_redelivered_total",
     1,
     NULL,
     {AT (stats.redelivered)}},
    {NULL, "acked", "messages that were acknowledged", C, "messages_acknowledged_total", 1, NULL, {AT (stats.acked)}},
    {NULL,
     "duplicates",
     "PUTs that were stored before",
     C,
     "messages_duplicate_total",
     1,
     NULL,
     {AT (stats.duplicates)}},
    {NULL, "refused", "requests that were answered ERR", C, NULL, 1, NULL, {AT (stats.refused), AT (refused)}},
    {NULL,
     "paused",
     "requests that were done later, for what their principals had used",
     C,
     "reads_paused_total",
     1,
     NULL,
     {AT (paused)}},
    {NULL, "expired", "messages whose lease ended", C, "leases_expired_total", 1, NULL, {AT (stats.expired)}},
    {NULL,
     "messages_expired",
     "messages whose time was over, and that were dropped",
     C,
     "messages_expired_total",
     1,
     NULL,
     {AT (stats.lapsed)}},
    {"dead_lettered",
     "rejected",
     "messages that went to the dead letters",
     C,
     "messages_dead_lettered_total{reason=\"rejected\"}",
     1,
     NULL,
     {AT (stats.rejected)}},
    {NULL, "window_bytes", "bytes of messages in memory", G, "window_bytes", 1, NULL, {AT (stats.window_bytes)}},
    {NULL, "output_bytes", "bytes of replies that clients have not read", G, "output_bytes", 1, NULL, {AT (output)}},
    //  The pair's time.
    {"clock", "time_ms", "ms since 1970 by the pair's clock", G, NULL, 1, NULL, {AT (stats.time)}},
    {"clock",
     "apart_ms",
     "how far the clocks of the two machines differ",
     G,
     "clocks_apart_seconds",
     1000,
     NULL,
     {AT (stats.apart)}},
    {"clock", "rests", "1: nothing is removed by its age now", G, "expiry_rests", 1, NULL, {AT (stats.rests)}},
    //  Requests that were answered ERR, by code.
    {"errors", "400", "bad request", C, "messages_refused_total{code=\"400\"}", 1, NULL, {AT (errors[ZB_ERRORS_400])}},
    {"errors",
     "401",
     "HELLO comes first",
     C,
     "messages_refused_total{code=\"401\"}",
     1,
     NULL,
     {AT (errors[ZB_ERRORS_401])}},
    {"errors", "403", "forbidden", C, "messages_refused_total{code=\"403\"}", 1, NULL, {AT (errors[ZB_ERRORS_403])}},
    {"errors",
     "404",
     "no such queue",
     C,
     "messages_refused_total{code=\"404\"}",
     1,
     NULL,
     {AT (errors[ZB_ERRORS_404])}},
    {"errors", "409", "conflict", C, "messages_refused_total{code=\"409\"}", 1, NULL, {AT (errors[ZB_ERRORS_409])}},
    {"errors", "413", "too large", C, "messages_refused_total{code=\"413\"}", 1, NULL, {AT (errors[ZB_ERRORS_413])}},
    {"errors", "429", "a limit", C, "messages_refused_total{code=\"429\"}", 1, NULL, {AT (errors[ZB_ERRORS_429])}},
    {"errors", "503", "not ready", C, "messages_refused_total{code=\"503\"}", 1, NULL, {AT (errors[ZB_ERRORS_503])}},
    {"errors", "507", "disk full", C, "messages_refused_total{code=\"507\"}", 1, NULL, {AT (errors[ZB_ERRORS_507])}},
    {"errors",
     "other",
     "all other codes",
     C,
     "messages_refused_total{code=\"other\"}",
     1,
     NULL,
     {AT (errors[ZB_ERRORS_OTHER])}},
    //  What was dropped without an answer.
    {"dropped",
     "not_zb1",
     "messages that are not ZB1",
     C,
     "dropped_total{reason=\"not_zb1\"}",
     1,
     NULL,
     {AT (not_zb1)}},
    {"dropped",
     "oversize",
     "requests over a limit in all, answered 413",
     C,
     "dropped_total{reason=\"oversize\"}",
     1,
     NULL,
     {AT (oversize)}},
    {"dropped",
     "undeliverable",
     "replies to clients that were gone",
     C,
     "dropped_total{reason=\"undeliverable\"}",
     1,
     NULL,
     {AT (undeliverable)}},
    {"dropped",
     "unread",
     "connections whose clients did not read",
     C,
     "dropped_total{reason=\"unread\"}",
     1,
     NULL,
     {AT (cut)}},
    {"dropped",
     "beats",
     "heartbeats that were not the peer's",
     C,
     "dropped_total{reason=\"beats\"}",
     1,
     NULL,
     {AT (beats)}},
    {"dropped",
     "epochs",
     "news of an epoch out of reach",
     C,
     "dropped_total{reason=\"epochs\"}",
     1,
     NULL,
     {AT (beats_beyond), AT (rulings_beyond)}},
    {"dropped",
     "refused_connections",
     "connections that were closed at once",
     C,
     "dropped_total{reason=\"refused_connections\"}",
     1,
     NULL,
     {AT (gate.refused_full), AT (gate.refused_address), AT (gate.refused_rate)}},
    {"dropped",
     "cut",
     "connections closed for what they sent",
     C,
     "dropped_total{reason=\"cut\"}",
     1,
     NULL,
     {AT (gate.cut)}},
    {"dropped",
     "crowded",
     "connections beyond the limit of their principal",
     C,
     "dropped_total{reason=\"crowded\"}",
     1,
     NULL,
     {AT (crowded)}},
    {"dropped",
     "unknown_keys",
     "handshakes with a key that is not known, or was revoked",
     C,
     "auth_failures_total{reason=\"unknown_key\"}",
     1,
     NULL,
     {AT (unknown_keys)}},
};

static const struct {
    const char *metric, *help;
} s_families[] = {
    {"takeovers_total", "leaderships that this broker has begun, by cause"},
    {"messages_refused_total", "requests that were answered ERR, by code"},
    {"messages_dead_lettered_total", "messages that went to the dead letters, by reason"},
    {"dropped_total", "what was dropped without an answer, by reason"},
    {"auth_failures_total", "who was turned away: handshakes, and logins over HTTP, by reason"},
};

const char *zb_metric_family (const char *metric, size_t size)
{
    for (size_t index = 0; index < sizeof s_families / sizeof *s_families; index++)
        if (strlen (s_families[index].metric) == size && memcmp (s_families[index].metric, metric, size) == 0)
            return s_families[index].help;
    return NULL;
}

bool zb_metric_counts (const zb_metric_t *self)
{
    return self->source[0].size > 0;
}

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
