/*  =========================================================================
    witness - a third machine's vote for any number of pairs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <inttypes.h>

#include "core/claim.h"
#include "io/broker.h"
#include "io/gate.h"
#include "io/home.h"
#include "io/moment.h"
#include "io/record.h"
#include "io/witness.h"

#define HEAD "zbroker witness 1\n"
#define FRAME_MAX 512

typedef struct {
    char name[ZB_NAME_MAX + 1];
    bool served; //  its key is known; else it is only kept
    uint8_t key[ZB_SEAL_KEY_SIZE];
    witness_record_t record;
    const witness_row_t *refused[3]; //  of each node: the row that has refused it last; NULL: it was granted
} pair_t;

typedef struct {
    const char *folder;
    zb_home_t *home;
    zsock_t *sock;
    zlistx_t *pairs;
    zb_log_rate_t noise;
} zb_witness_t;

//  ---------------------------------------------------------------------------
//  Records

static void s_pair_free (void **item_p)
{
    freen (*item_p);
}

static pair_t *s_find (zb_witness_t *self, const char *name, size_t size)
{
    pair_t *pair = (pair_t *) zlistx_first (self->pairs);
    while (pair && (strlen (pair->name) != size || memcmp (pair->name, name, size) != 0))
        pair = (pair_t *) zlistx_next (self->pairs);
    return pair;
}

static pair_t *s_add (zb_witness_t *self, const char *name)
{
    pair_t *pair = (pair_t *) zmalloc (sizeof *pair);
    snprintf (pair->name, sizeof pair->name, "%s", name);
    zlistx_add_end (self->pairs, pair);
    return pair;
}

//  Returns an exit code.
static int s_save (zb_witness_t *self)
{
    char *text = strdup (HEAD);
    for (pair_t *pair = zlistx_first (self->pairs); pair; pair = zlistx_next (self->pairs)) {
        char *more = zsys_sprintf ("%s%s %s %u %" PRIu64 "\n", text, pair->name,
                                   witness_state_name (pair->record.state), pair->record.holder, pair->record.epoch);
        assert (more);
        free (text);
        text = more;
    }
    int code = zb_record_save (self->folder, "pairs", text) == 0 ? ZB_EXIT_OK : zb_moment_code (errno);
    if (code)
        zb_log (ZB_LOG_ERROR, "can't write %s/pairs: %s", self->folder, zb_moment_text (errno));
    free (text);
    return code;
}

//  Reads one line; -1 if it makes no sense.
static int s_parse (zb_witness_t *self, const char *line)
{
    char name[ZB_NAME_MAX + 1], state[16];
    witness_record_t record = {0};
    int end = 0;
    _Static_assert(ZB_NAME_MAX == 255, "the width below");
    if (sscanf (line, "%255s %15s %u %" SCNu64 "%n", name, state, &record.holder, &record.epoch, &end) != 4 ||
        line[end] != '\n' || record.holder > 2 || s_find (self, name, strlen (name)))
        return -1;
    for (; record.state <= WITNESS_HELD; record.state++)
        if (streq (state, witness_state_name (record.state))) {
            s_add (self, name)->record = record;
            return 0;
        }
    return -1;
}

//  Returns an exit code.
static int s_load (zb_witness_t *self)
{
    char *text;
    int code = ZB_EXIT_OK;
    switch (zb_record_load (self->folder, "pairs", &text)) {
    case ZB_RECORD_ABSENT:
        return ZB_EXIT_OK;
    case ZB_RECORD_ERROR:
        code = zb_moment_code (errno);
        zb_log (ZB_LOG_ERROR, "can't read %s/pairs: %s", self->folder, zb_moment_text (errno));
        return code;
    case ZB_RECORD_DAMAGED:
        code = ZB_EXIT_DAMAGED;
        break;
    case ZB_RECORD_FOUND:
        if (strncmp (text, HEAD, strlen (HEAD)) != 0)
            code = ZB_EXIT_DAMAGED;
        else
            for (char *line = text + strlen (HEAD); *line && code == ZB_EXIT_OK; line = strchr (line, '\n') + 1)
                if (s_parse (self, line))
                    code = ZB_EXIT_DAMAGED;
    }
    free (text);
    if (code)
        zb_log (ZB_LOG_ERROR,
                "%s/pairs is damaged: remove it while each of its pairs is whole (status: in step); the pairs make "
                "themselves known again",
                self->folder);
    return code;
}

//  ---------------------------------------------------------------------------
//  Claims

static void s_log (const pair_t *pair, const zb_claim_t *claim, const witness_row_t *row)
{
    static const char *const nodes[] = {"nobody", "primary", "backup"};
    zb_log (row->verdict == WITNESS_GRANTED ? ZB_LOG_NOTICE : ZB_LOG_WARNING,
            "pair %s: %s of epoch %" PRIu64 " by the %s is %s: %s", pair->name, witness_event_name (claim->event),
            claim->epoch, nodes[claim->node], row->verdict == WITNESS_GRANTED ? "granted" : "refused", row->why);
}

//  Steps the record and answers.  Returns an exit code: what can't be put on the disk is not answered.
static int s_rule (zb_witness_t *self, zframe_t *asker, pair_t *pair, const zb_claim_t *claim)
{
    witness_record_t before = pair->record;
    const witness_row_t *row = witness_step (&pair->record, claim->event, claim->node, claim->epoch);
    //  Of a shared record the holder is of no account: either may have said so.
    bool held = pair->record.state == WITNESS_HELD && before.holder != pair->record.holder;
    bool changed = before.state != pair->record.state || before.epoch != pair->record.epoch || held;
    int code = changed ? s_save (self) : ZB_EXIT_OK;
    if (code)
        return code;
    //  What is only said again is no news.
    bool refused = row->verdict != WITNESS_GRANTED;
    if (changed || (refused && pair->refused[claim->node] != row))
        s_log (pair, claim, row);
    pair->refused[claim->node] = refused ? row : NULL;
    zb_ruling_t ruling = {.verdict = row->verdict,
                          .record = pair->record,
                          .node = claim->node,
                          .session = claim->session,
                          .sequence = claim->sequence};
    uint8_t frame[ZB_RULING_SIZE];
    zb_ruling_write (&ruling, pair->key, frame);
    void *socket = zsock_resolve (self->sock);
    //  Whoever can't be reached asks again.
    if (zmq_send (socket, zframe_data (asker), zframe_size (asker), ZMQ_SNDMORE | ZMQ_DONTWAIT) != -1 &&
        zmq_send (socket, pair->name, strlen (pair->name), ZMQ_SNDMORE | ZMQ_DONTWAIT) != -1)
        zmq_send (socket, frame, sizeof frame, ZMQ_DONTWAIT);
    return ZB_EXIT_OK;
}

static int s_message (zb_witness_t *self, zmsg_t *message)
{
    zframe_t *asker = zmsg_pop (message);
    zframe_t *name = zmsg_pop (message);
    zframe_t *sealed = zmsg_pop (message);
    int code = ZB_EXIT_OK;
    const char *why = "malformed";
    if (name && sealed && zmsg_size (message) == 0) {
        pair_t *pair = s_find (self, (const char *) zframe_data (name), zframe_size (name));
        zb_claim_t claim;
        if (!pair || !pair->served)
            why = "of a pair that is not ours";
        else if (zb_claim_read (&claim, pair->key, zframe_data (sealed), zframe_size (sealed), &why) == 0) {
            why = NULL;
            code = s_rule (self, asker, pair, &claim);
        }
    }
    if (why)
        zb_log_rated (&self->noise, zclock_mono (), ZB_LOG_WARNING, "dropped a message: %s", why);
    zframe_destroy (&asker);
    zframe_destroy (&name);
    zframe_destroy (&sealed);
    return code;
}

//  ---------------------------------------------------------------------------
//  Life

static int s_listen (zb_witness_t *self, const char *bind)
{
    self->sock = zsock_new (ZMQ_ROUTER);
    assert (self->sock);
    zsock_set_linger (self->sock, 0);
    zsock_set_maxmsgsize (self->sock, FRAME_MAX);
    zsock_set_rcvhwm (self->sock, 100);
    zsock_set_sndhwm (self->sock, 100);
    zsock_set_handshake_ivl (self->sock, ZB_HANDSHAKE_MS);
    zb_gate_guard (ZB_GATE_WITNESS, bind);
    if (zsock_bind (self->sock, "%s", bind) != -1)
        return ZB_EXIT_OK;
    zb_log (ZB_LOG_ERROR, "can't listen at %s: %s", bind, zmq_strerror (errno));
    return errno == EADDRINUSE ? ZB_EXIT_BUSY : ZB_EXIT_USAGE;
}

static int s_open (zb_witness_t *self, const char *bind, const zb_config_t *const *pairs, size_t count)
{
    char *error;
    //  First, so that nothing is left of one that can't listen.
    int code = s_listen (self, bind);
    if (code)
        return code;
    self->home = zb_home_new (self->folder, ZB_KIND_SINGLE, &error, &code);
    if (!self->home) {
        zb_log (ZB_LOG_ERROR, "%s", error);
        free (error);
        return code;
    }
    code = s_load (self);
    //  A process that died, or whose sync failed, while it wrote may have left what is in the system's memory only.
    code = code == ZB_EXIT_OK ? s_save (self) : code;
    for (size_t index = 0; code == ZB_EXIT_OK && index < count; index++) {
        pair_t *pair = s_find (self, pairs[index]->pair, strlen (pairs[index]->pair));
        if (!pair)
            pair = s_add (self, pairs[index]->pair);
        pair->served = true;
        zb_seal_key (pair->key, pairs[index]->pair, pairs[index]->secret);
    }
    return code;
}

int zb_witness_run (const char *bind, const char *folder, const zb_config_t *const *pairs, size_t count)
{
    zsys_init ();
    const zb_limits_t limits = ZB_LIMITS_DEFAULT;
    size_t files;
    zb_gate_open (&limits, &files);
    zb_witness_t witness = {.folder = folder, .pairs = zlistx_new ()}, *self = &witness;
    zlistx_set_destructor (self->pairs, s_pair_free);
    int code = s_open (self, bind, pairs, count);
    if (code == ZB_EXIT_OK)
        zb_log_say ("READY", zsock_endpoint (self->sock));
    while (code == ZB_EXIT_OK && !zsys_interrupted) {
        zmsg_t *message = zmsg_recv (self->sock);
        if (message)
            code = s_message (self, message);
        zmsg_destroy (&message);
    }
    zsock_destroy (&self->sock);
    zb_home_destroy (&self->home);
    zlistx_destroy (&self->pairs);
    return code;
}
