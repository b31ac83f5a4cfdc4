/*  =========================================================================
    witness - a third machine's vote for any number of pairs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <inttypes.h>
#include <sodium.h>

#include "core/base/limits.h"
#include "core/pair/claim.h"
#include "core/wire/proof.h"
#include "io/auth/auth.h"
#include "io/auth/keys.h"
#include "io/base/exit_codes.h"
#include "io/base/gate.h"
#include "io/base/service.h"
#include "io/pair/witness.h"
#include "io/store/home.h"
#include "io/store/moment.h"
#include "io/store/record.h"

#define HEAD "zbroker witness 1\n"
#define FRAME_MAX 512
#define TURN 500 //  ms without a message until it is seen that the process is to end

typedef struct {
    char name[ZB_NAME_MAX + 1];
    bool served; //  its key is known; else it is only kept
    uint8_t key[ZB_SEAL_KEY_SIZE];
    witness_record_t record;
    bool known; //  whose record it is:
    uint8_t id[ZB_CLAIM_ID_SIZE];
    zb_claim_speaker_t speaker[3];
    const char *refused[3]; //  of each node: why it was refused last; NULL: it was granted
} pair_t;

typedef struct {
    const char *folder;
    zb_home_t *home;
    zsock_t *sock;
    zb_keys_t *keys; //  NULL without keys
    zb_auth_t *auth;
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
    for (int node = 1; node <= 2; node++)
        randombytes_buf (pair->speaker[node].key, sizeof pair->speaker[node].key);
    zlistx_add_end (self->pairs, pair);
    return pair;
}

//  Returns an exit code.
static int s_save (zb_witness_t *self)
{
    char *text = strdup (HEAD);
    for (pair_t *pair = zlistx_first (self->pairs); pair; pair = zlistx_next (self->pairs)) {
        char id[1 + 2 * ZB_CLAIM_ID_SIZE + 1] = " ";
        sodium_bin2hex (id + 1, sizeof id - 1, pair->id, sizeof pair->id);
        char *more =
            zsys_sprintf ("%s%s %s %u %" PRIu64 "%s\n", text, pair->name, witness_state_name (pair->record.state),
                          pair->record.holder, pair->record.epoch, pair->known ? id : "");
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
        record.holder > 2 || s_find (self, name, strlen (name)))
        return -1;
    uint8_t id[ZB_CLAIM_ID_SIZE];
    bool known = line[end] == ' ';
    size_t size = 0;
    if (known &&
        (sodium_hex2bin (id, sizeof id, line + end + 1, 2 * sizeof id, NULL, &size, NULL) || size != sizeof id))
        return -1;
    if (line[end + (known ? 1 + 2 * (int) sizeof id : 0)] != '\n')
        return -1;
    while (record.state <= WITNESS_HELD && !streq (state, witness_state_name (record.state)))
        record.state++;
    if (record.state > WITNESS_HELD)
        return -1;
    pair_t *pair = s_add (self, name);
    pair->record = record;
    pair->known = known;
    if (known)
        memcpy (pair->id, id, sizeof id);
    return 0;
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
                "%s/pairs is damaged: remove it while each of its pairs is whole (status: in sync); the pairs make "
                "themselves known again",
                self->folder);
    return code;
}

//  ---------------------------------------------------------------------------
//  Claims

//  Why a claim is refused before it comes to the record.
static const char *const s_refused[WITNESS_VERDICTS] = {
    [WITNESS_STRANGER] = "its store is of no pair yet",
    [WITNESS_OTHER] =
        "this is the record of another pair of the same name and secret: give one of them another pair/name; or, "
        "if the other one is gone, stop this witness and say 'zbroker witness reset' with the name",
    [WITNESS_UNPROVEN] = "an operator's proof is missing, or is one of before",
    [WITNESS_BEYOND] = "the epoch is out of reach of the record's",
};

static void s_log (const pair_t *pair, const zb_claim_t *claim, bool granted, const char *why)
{
    static const char *const nodes[] = {"nobody", "primary", "backup"};
    zb_log (granted ? ZB_LOG_NOTICE : ZB_LOG_WARNING, "pair %s: %s of epoch %" PRIu64 " by the %s is %s: %s",
            pair->name, witness_event_name (claim->event), claim->epoch, nodes[claim->node],
            granted ? "granted" : "refused", why);
}

//  Whether an operator has said this to the nonce that the asker was given.
static bool s_proven (const pair_t *pair, const zb_claim_t *claim)
{
    char proof[2 * ZB_CLAIM_PROOF_SIZE + 1], challenge[ZB_CLAIM_CHALLENGE_SIZE];
    sodium_bin2hex (proof, sizeof proof, claim->proof, sizeof claim->proof);
    zb_claim_challenge (zb_claim_nonce (&pair->speaker[claim->node], claim->session), challenge);
    return zb_proof_holds ((zb_frame_t){proof, strlen (proof)}, pair->key, witness_event_name (WITNESS_FORCE),
                           challenge);
}

//  What a claim is refused with, whatever the record says; GRANTED if the record decides.
static witness_verdict_t s_verdict (const pair_t *pair, const zb_claim_t *claim)
{
    static const uint8_t none[ZB_CLAIM_ID_SIZE];
    bool nameless = memcmp (claim->id, none, sizeof none) == 0;
    if (!nameless && pair->known && memcmp (claim->id, pair->id, sizeof pair->id) != 0)
        return WITNESS_OTHER;
    if (claim->event == ZB_CLAIM_LOOK)
        return WITNESS_GRANTED;
    if (nameless)
        return WITNESS_STRANGER;
    uint64_t newest = pair->record.state == WITNESS_UNKNOWN ? 0 : pair->record.epoch;
    bool first = pair->record.state == WITNESS_UNKNOWN;
    if (claim->epoch >> ZB_EPOCH_BITS || (!first && claim->epoch > newest && claim->epoch - newest > ZB_EPOCH_REACH))
        return WITNESS_BEYOND;
    return claim->event == WITNESS_FORCE && !s_proven (pair, claim) ? WITNESS_UNPROVEN : WITNESS_GRANTED;
}

static void s_answer (zb_witness_t *self, zframe_t *asker, const pair_t *pair, const zb_claim_t *claim,
                      witness_verdict_t verdict, witness_record_t record)
{
    zb_ruling_t ruling = {.verdict = verdict,
                          .record = record,
                          .node = claim->node,
                          .session = claim->session,
                          .sequence = claim->sequence,
                          .nonce = zb_claim_nonce (&pair->speaker[claim->node], claim->session)};
    uint8_t frame[ZB_RULING_SIZE];
    zb_ruling_write (&ruling, pair->key, frame);
    void *socket = zsock_resolve (self->sock);
    //  Whoever can't be reached asks again.
    if (zmq_send (socket, zframe_data (asker), zframe_size (asker), ZMQ_SNDMORE | ZMQ_DONTWAIT) != -1 &&
        zmq_send (socket, pair->name, strlen (pair->name), ZMQ_SNDMORE | ZMQ_DONTWAIT) != -1)
        zmq_send (socket, frame, sizeof frame, ZMQ_DONTWAIT);
}

//  Steps the record and answers.  Returns an exit code: what can't be put on the disk is not answered.
static int s_step (zb_witness_t *self, zframe_t *asker, pair_t *pair, const zb_claim_t *claim)
{
    witness_record_t before = pair->record;
    const witness_row_t *row = witness_step (&pair->record, claim->event, claim->node, claim->epoch);
    bool granted = row->verdict == WITNESS_GRANTED;
    //  Of a shared record the holder is of no account: either may have said so.
    bool held = pair->record.state == WITNESS_HELD && before.holder != pair->record.holder;
    bool changed = before.state != pair->record.state || before.epoch != pair->record.epoch || held;
    if (granted && !pair->known) {
        memcpy (pair->id, claim->id, sizeof pair->id);
        pair->known = changed = true;
    }
    int code = changed ? s_save (self) : ZB_EXIT_OK;
    if (code)
        return code;
    //  What is only said again is no news.
    if (changed || (!granted && pair->refused[claim->node] != row->why))
        s_log (pair, claim, granted, row->why);
    pair->refused[claim->node] = granted ? NULL : row->why;
    //  A proof is good once.
    if (claim->event == WITNESS_FORCE)
        randombytes_buf (pair->speaker[claim->node].key, sizeof pair->speaker[claim->node].key);
    s_answer (self, asker, pair, claim, row->verdict, pair->record);
    return ZB_EXIT_OK;
}

static int s_rule (zb_witness_t *self, zframe_t *asker, pair_t *pair, const zb_claim_t *claim)
{
    zb_claim_speaker_t *speaker = &pair->speaker[claim->node];
    bool begins;
    if (!zb_claim_fresh (speaker, claim, &begins)) {
        s_answer (self, asker, pair, claim, WITNESS_AGAIN, (witness_record_t){WITNESS_UNKNOWN, 0, 0});
        return ZB_EXIT_OK;
    }
    if (begins)
        randombytes_buf (speaker->key, sizeof speaker->key);
    witness_verdict_t verdict = s_verdict (pair, claim);
    if (verdict != WITNESS_GRANTED) {
        const char *why = s_refused[verdict];
        if (pair->refused[claim->node] != why)
            s_log (pair, claim, false, why);
        pair->refused[claim->node] = why;
        s_answer (self, asker, pair, claim, verdict, (witness_record_t){WITNESS_UNKNOWN, 0, 0});
        return ZB_EXIT_OK;
    }
    if (claim->event != ZB_CLAIM_LOOK)
        return s_step (self, asker, pair, claim);
    s_answer (self, asker, pair, claim, WITNESS_GRANTED, pair->record);
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
    //  A signal that comes just before the wait for a message does not end it.
    zsock_set_rcvtimeo (self->sock, TURN);
    zb_gate_guard (ZB_GATE_WITNESS, bind);
    zb_keys_serve (self->keys, zsock_resolve (self->sock), ZB_GATE_WITNESS);
    if (zsock_bind (self->sock, "%s", bind) != -1)
        return ZB_EXIT_OK;
    zb_log (ZB_LOG_ERROR, "can't listen at %s: %s", bind, zmq_strerror (errno));
    return errno == EADDRINUSE ? ZB_EXIT_BUSY : ZB_EXIT_USAGE;
}

//  Lets the brokers of these pairs in, and nobody else, if there are keys.  Returns an exit code.
static int s_admit (zb_witness_t *self, const zb_config_t *const *pairs, size_t count)
{
    char *error = NULL;
    if (zb_keys_load (&self->keys, pairs[0], &error)) {
        zb_log (ZB_LOG_ERROR, "%s", error);
        free (error);
        return ZB_EXIT_USAGE;
    }
    if (!self->keys)
        return ZB_EXIT_OK;
    const char *own = pairs[0]->witness_key;
    if (own && !zb_keys_is_own (self->keys, own, pairs[0]->other_key[ZB_SINGLE])) {
        zb_log (ZB_LOG_ERROR, "%s has the public key %s, and keys/witness is another one: %s", pairs[0]->key_file,
                self->keys->own.public_key, own);
        return ZB_EXIT_USAGE;
    }
    self->auth = zb_auth_new ();
    if (!self->auth) {
        zb_log (ZB_LOG_ERROR, "no thread for handshakes: %s", zb_moment_text (errno));
        return zb_moment_code (errno);
    }
    zb_rights_t *who = zb_rights_new ();
    for (size_t index = 0; index < count; index++)
        for (int host = ZB_PRIMARY; host <= ZB_BACKUP; host++)
            for (int other = 0; other < 2; other++) {
                const char *key = other ? pairs[index]->other_key[host] : pairs[index]->public_key[host];
                if (key)
                    zb_rights_broker (who, pairs[index]->pair, key);
            }
    zb_auth_admit (self->auth, ZB_GATE_WITNESS, who, true);
    zb_rights_destroy (&who);
    return ZB_EXIT_OK;
}

//  Takes the folder and reads it.
static int s_enter (zb_witness_t *self)
{
    char *error;
    int code;
    self->home = zb_home_new (self->folder, ZB_KIND_SINGLE, &error, &code);
    if (!self->home) {
        zb_log (ZB_LOG_ERROR, "%s", error);
        free (error);
        return code;
    }
    return s_load (self);
}

static void s_leave (zb_witness_t *self)
{
    zsock_destroy (&self->sock);
    zb_auth_destroy (&self->auth);
    zb_keys_destroy (&self->keys);
    zb_home_destroy (&self->home);
    zlistx_destroy (&self->pairs);
}

static int s_open (zb_witness_t *self, const char *bind, const zb_config_t *const *pairs, size_t count)
{
    //  First, so that nothing is left of one that can't listen.
    int code = s_admit (self, pairs, count);
    code = code == ZB_EXIT_OK ? s_listen (self, bind) : code;
    code = code == ZB_EXIT_OK ? s_enter (self) : code;
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
    if (code == ZB_EXIT_OK) {
        zb_log_say ("READY", zsock_endpoint (self->sock));
        zb_service_ready ();
    }
    while (code == ZB_EXIT_OK && !zsys_interrupted) {
        zmsg_t *message = zmsg_recv (self->sock);
        if (message)
            code = s_message (self, message);
        zmsg_destroy (&message);
    }
    s_leave (self);
    return code;
}

int zb_witness_reset (const char *folder, const char *name)
{
    zb_witness_t witness = {.folder = folder, .pairs = zlistx_new ()}, *self = &witness;
    zlistx_set_destructor (self->pairs, s_pair_free);
    int code = s_enter (self);
    pair_t *pair = code == ZB_EXIT_OK ? s_find (self, name, strlen (name)) : NULL;
    if (pair) {
        printf ("%s: forgotten, it was %s, epoch %" PRIu64 "\n", name, witness_state_name (pair->record.state),
                pair->record.epoch);
        zlistx_delete (self->pairs, zlistx_find (self->pairs, pair));
        code = s_save (self);
    }
    else if (code == ZB_EXIT_OK) {
        zb_log (ZB_LOG_ERROR, "%s/pairs has no record of a pair '%s'", folder, name);
        code = ZB_EXIT_USAGE;
    }
    s_leave (self);
    return code;
}
